import { execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../proof/belfry-process.ts'
import type { Benchmark } from './report.ts'

const root = join(import.meta.dirname, '..')

/** Runs `npm start` in `folder` until it answers, then stops it. Answers the milliseconds from start to ready. */
async function timeStart(folder: string, port: number): Promise<number> {
  const startedAt = performance.now()
  const child = spawn('npm', ['start'], {
    cwd: folder,
    env: { ...process.env, BELFRY_PORT: String(port) },
    stdio: 'ignore',
    detached: true,
  })
  try {
    await eventually(
      'npm start to be ready',
      async () => {
        const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
        await response?.arrayBuffer()
        return response?.ok ? true : undefined
      },
      180_000,
    )
    return performance.now() - startedAt
  } finally {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    if (child.pid) process.kill(-child.pid, 'SIGTERM')
    await gone
  }
}

/** From a clone with nothing installed to a Belfry that answers, and the start after that. Commits only. */
export const ready: Benchmark = {
  title: 'time from clone to ready, then of a second start',
  defaults: { port: 18_080 },
  async run({ port = 0 }) {
    const folder = await mkdtemp(join(tmpdir(), 'belfry-clone-'))
    try {
      const startedAt = performance.now()
      execFileSync('git', ['clone', '--quiet', root, folder])
      await timeStart(folder, port)
      const firstMs = performance.now() - startedAt
      const secondMs = await timeStart(folder, port)
      return [
        { id: 'start', what: 'clone to ready', value: firstMs / 1000, unit: 's', goal: { atMost: 120 } },
        {
          id: 'start',
          what: 'npm start to ready once installed',
          value: secondMs / 1000,
          unit: 's',
          goal: { atMost: 3 },
        },
      ]
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
