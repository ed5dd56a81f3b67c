import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What `npm start` runs. */
export const mainFile = join(import.meta.dirname, '../apps/standalone/src/main.ts')

/** A standalone Belfry in a process of its own, so that it can be killed. */
export interface BelfryProcess {
  /** The gateway's address. */
  readonly url: string
  readonly dataDir: string
  readonly pid: number
  /** Everything that it wrote so far, both streams. */
  output(): string
  /** Resolves with the signal or exit code when the process has gone. */
  readonly exited: Promise<string>
  /** SIGINT, as Ctrl-C sends it, and does not wait. */
  interrupt(): void
  /** SIGKILL, and waits until it has gone. */
  kill(): Promise<void>
  /** SIGTERM, and waits until it has gone. */
  stop(): Promise<string>
}

/** A fresh folder for data; remove it when the test is over. */
export async function makeDataDir(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'belfry-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** Asks until `check` gives something else than undefined; rejects after `deadlineMs` with `what` it waited for. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined>,
  deadlineMs = 20_000,
): Promise<T> {
  const until = performance.now() + deadlineMs
  for (;;) {
    const found = await check()
    if (found !== undefined) return found
    if (performance.now() > until) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Limits that one user of a proof or a benchmark does not reach; what they hold back is tested at the gateway. */
export const raisedLimits = {
  BELFRY_GATEWAY_USER_CALLS_PER_MINUTE: '100000000',
  BELFRY_GATEWAY_TRIGGERS_PER_MINUTE: '100000000',
  BELFRY_GATEWAY_LOGINS_PER_MINUTE: '10000',
  BELFRY_GATEWAY_SIGNUPS_PER_MINUTE: '10000',
  BELFRY_GATEWAY_SIGNUPS_PER_HOUR: '10000',
  BELFRY_JOB_MOST_PER_USER: '10000000',
}

async function addressOf(dataDir: string): Promise<string | undefined> {
  const text = await readFile(join(dataDir, 'belfry.address'), 'utf8').catch(() => '')
  return text.trim() || undefined
}

async function answers(url: string): Promise<true | undefined> {
  const response = await fetch(`${url}/readyz`).catch(() => undefined)
  await response?.arrayBuffer()
  return response?.ok ? true : undefined
}

/** The end of what a process writes, both streams. */
export function collectOutput(child: ChildProcess): () => string {
  let text = ''
  const add = (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-200_000)
  }
  child.stdout?.on('data', add)
  child.stderr?.on('data', add)
  return () => text
}

/**
 * Starts `apps/standalone` on a free port and waits until it is ready. `env` adds to or replaces the settings; private
 * addresses are on, because the targets of a proof live on loopback, and limits of rate are raised. Rejects when the process ends before it is ready,
 * unless `mayDie` is set: then it resolves with the process as it is once it has gone.
 */
export async function startBelfry(
  dataDir: string,
  options: { env?: Record<string, string>; mayDie?: boolean; deadlineMs?: number } = {},
): Promise<BelfryProcess> {
  await rm(join(dataDir, 'belfry.address'), { force: true })
  const child = spawn(process.execPath, [mainFile], {
    env: {
      PATH: process.env.PATH,
      BELFRY_DATA_DIR: dataDir,
      BELFRY_PORT: '0',
      BELFRY_EXECUTOR_ALLOW_PRIVATE: 'true',
      BELFRY_LOG_LEVEL: 'warn',
      ...raisedLimits,
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = collectOutput(child)
  let gone = false
  const exited = once(child, 'exit').then(([code, signal]) => {
    gone = true
    return String(signal ?? code)
  })
  const ready = eventually(
    'Belfry to be ready',
    async () => {
      if (gone) return ''
      const url = await addressOf(dataDir)
      return url && (await answers(url)) ? url : undefined
    },
    options.deadlineMs ?? 30_000,
  )
  const url = await ready
  if (url === '' && !options.mayDie) throw new Error(`Belfry ended before it was ready (${await exited}):\n${output()}`)
  const end = (signal: NodeJS.Signals) => async () => {
    if (!gone) child.kill(signal)
    return exited
  }
  return {
    url,
    dataDir,
    pid: child.pid ?? -1,
    output,
    exited,
    interrupt: () => void child.kill('SIGINT'),
    kill: async () => void (await end('SIGKILL')()),
    stop: end('SIGTERM'),
  }
}
