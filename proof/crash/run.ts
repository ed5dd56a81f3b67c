import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BelfryProcess, eventually, makeDataDir, startBelfry } from '../belfry-process.ts'
import { type Caller, createCaller, signUp } from '../caller.ts'
import { createAtMost, processesAtATime } from './at-most.ts'
import { checkAll, checkEverySecondOnce, checkSuccessOnce } from './checks.ts'
import { type CrashState, readCrashState } from './crash-state.ts'
import type { Ledger } from './ledger.ts'
import { type HoldingTarget, isKnown, openHoldingTarget, work } from './work.ts'

/** So long that whatever runs again before it cannot have waited for it. */
const leaseMs = '60000'

async function within<T>(deadlineMs: number, what: string, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms in vain for ${what}`)), deadlineMs)
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** What stays the same while processes come and go. */
interface Stage {
  readonly dataDir: string
  readonly target: HoldingTarget
  /** `more`: settings of this process alone. */
  start(crashAt?: string, more?: Record<string, string>): Promise<BelfryProcess>
}

const atMost = createAtMost(processesAtATime)

/** `settings`: what every process gets besides the usual. */
const onStage = (play: (stage: Stage) => Promise<void>, settings: Record<string, string> = {}) =>
  atMost(() => playOnStage(play, settings))

async function playOnStage(play: (stage: Stage) => Promise<void>, settings: Record<string, string>): Promise<void> {
  const folder = await makeDataDir()
  const target = await openHoldingTarget()
  const processes: BelfryProcess[] = []
  try {
    await play({
      dataDir: folder.path,
      target,
      async start(crashAt, more = {}) {
        const death = crashAt ? { BELFRY_CRASH_AT: crashAt } : {}
        const env = { BELFRY_EXECUTOR_LEASE_MS: leaseMs, ...settings, ...more, ...death }
        const belfry = await startBelfry(folder.path, { env, mayDie: crashAt !== undefined })
        processes.push(belfry)
        return belfry
      },
    })
  } finally {
    for (const one of processes) await one.kill()
    await target.close()
    await folder.remove()
  }
}

/** Waits until the process has killed itself, and reads what it left. */
async function deathOf(belfry: BelfryProcess, crashAt: string): Promise<CrashState> {
  const end = await within(20_000, `the process to die at ${crashAt}`, belfry.exited)
  if (end !== 'SIGKILL') throw new Error(`the process ended with ${end} at ${crashAt}:\n${belfry.output()}`)
  return readCrashState(belfry.dataDir)
}

/** The last start: nothing kills it, nothing is held any more, and everything must come right. */
async function comeRight(stage: Stage, before: Caller, ledger: Ledger, deaths: readonly CrashState[]): Promise<void> {
  stage.target.release()
  const belfry = await stage.start()
  const user = createCaller(belfry.url, before.token)
  await checkAll({ user, ledger, deaths, calls: stage.target.calls })
  await belfry.stop()
}

/** Kills the process at `crashAt` while it works, starts it again, and checks what became of everything. */
export function dieAtWork(crashAt: string): Promise<void> {
  return onStage(async (stage) => {
    const belfry = await stage.start(crashAt)
    if (belfry.url === '') throw new Error(`it ended before there was work: ${await belfry.exited}\n${belfry.output()}`)
    const user = await signUp(belfry.url)
    const ledger = await work(belfry, user, stage.target)
    const death = await deathOf(belfry, crashAt)
    await comeRight(stage, user, ledger, [death])
  })
}

/** Kills the process while it works, kills the next one at `crashAt` while it takes over, and starts a third. */
export function dieTakingOver(crashAt: string): Promise<void> {
  return onStage(async (stage) => {
    const first = await stage.start()
    const user = await signUp(first.url)
    const ledger = await work(first, user, stage.target)
    await first.kill()
    const deaths = [await readCrashState(stage.dataDir)]
    deaths.push(await deathOf(await stage.start(crashAt), crashAt))
    await comeRight(stage, user, ledger, deaths)
  })
}

/** Fire times that no process could issue: any lateness counts as missed, so that a short time away is enough. */
const missedAtOnce = {
  BELFRY_SCHEDULER_LOOKAHEAD_MS: '100',
  BELFRY_SCHEDULER_MISFIRE_AFTER_MS: '1',
  BELFRY_SCHEDULER_MISFIRE_WITHIN_MS: '1',
}

/** The process is away for two fire times of a cron, and the next one is killed at `crashAt` while it writes them down. */
export function dieWritingTheFireLog(crashAt: string): Promise<void> {
  return onStage(async (stage) => {
    const first = await stage.start()
    const user = await signUp(first.url)
    const params = { url: `${stage.target.url}/tick` }
    const body = { jobType: 'HTTP_CALL', params, schedule: '* * * * * *' }
    const made = await user.call<{ id: string; createdAt: string }>('POST', '/jobs', body)
    await stage.target.reached(1)
    await first.kill()
    const back = Date.now() + 2000
    await eventually('two seconds to pass', async () => Date.now() > back || undefined)
    await deathOf(await stage.start(crashAt), crashAt)
    const last = await stage.start()
    const calls = stage.target.calls.length
    await stage.target.reached(calls + 2)
    await last.kill()
    checkEverySecondOnce(made.body, stage.target.calls, await readCrashState(stage.dataDir))
  }, missedAtOnce)
}

/** A job type of the user's own. */
const greeting = `import { defineJob } from '@belfry/worker'
import { z } from 'zod'
export default defineJob({ type: 'GREET', title: 'Greet', params: z.object({}), run: async () => 'hello' })
`

/**
 * Runs of a job type are handed over to the executor, the next process does not have the type and is killed at `crashAt` while it
 * leaves them to executors that have it, and a third process, with the type, runs each of them once.
 */
export function dieWithoutTheType(crashAt: string): Promise<void> {
  return onStage(async (stage) => {
    const folder = join(stage.dataDir, 'handlers')
    await mkdir(folder)
    await writeFile(join(folder, 'greet.ts'), greeting)
    const withType = { BELFRY_EXECUTOR_HANDLERS: folder }
    const first = await stage.start(undefined, withType)
    const user = await signUp(first.url)
    const made = await Promise.all(
      [0, 1, 2].map(() => user.call<{ id: string }>('POST', '/jobs', { jobType: 'GREET', delay: '3s' })),
    )
    const ids = made.map((one) => one.body.id)
    for (const id of ids) await eventually('a run to be handed over', () => isKnown(user, id))
    await first.kill()
    await deathOf(await stage.start(crashAt), crashAt)
    const last = await stage.start(undefined, withType)
    await checkSuccessOnce(createCaller(last.url, user.token), ids)
    await last.stop()
  })
}
