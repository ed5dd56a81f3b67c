import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, it, onTestFinished, vi } from 'vitest'

// Processes start slowly on a machine that is busy.
vi.setConfig({ testTimeout: 60_000 })

/** A handler that starts a program, and an executor of its own that is killed. */
const handler = (after: string) => `import { spawn } from 'node:child_process'
  import { defineJob } from '@belfry/worker'
  import { z } from 'zod'
  export default defineJob({ type: 'T', title: 'T', params: z.object({}), async run(_, ctx) {
    ctx.log.info(String(spawn('sleep', ['60']).pid)); ctx.log.info(String(process.pid)); ${after} } })`

const moduleAt = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)

const executor = (source: { url: string; text: string }) => `
  import { createRunnerPool } from ${moduleAt('../src/runner/index.ts')}
  import { createSystemClock } from ${moduleAt('../../service/src/index.ts')}
  const clock = createSystemClock()
  const limits = { logLines: 100, logBytes: 10_000, logLineBytes: 1000, artifacts: 2, artifactBytes: 1000 }
  const times = { idleMs: 10_000, blockedMs: 60_000, loadMs: 60_000 }
  const env = { PATH: process.env.PATH }
  const pool = createRunnerPool({ clock, limits, processes: 1, attemptsPerProcess: 1, memoryMb: 64, env, ...times })
  const { signal } = new AbortController()
  const context = { executionId: 'e', jobId: 'j', ownerId: 'o', epoch: 1, fireAt: 0, idempotencyKey: 'e', clock, signal,
    begin() {}, log: (_, text) => console.log(text), artifact() {}, async checkpoint() {}, async resume() {} }
  await pool.run(${JSON.stringify(source)}, { isShared: false, concurrency: 1 }, {}, context)`

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

it.each([
  ['waits', 'await ctx.sleep(60_000)'],
  ['blocks', 'await ctx.sleep(50); while (true);'],
])('an executor that is killed leaves no handler that %s, and nothing that it has started', async (_, after) => {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-orphans-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const text = handler(after)
  await writeFile(join(folder, 'h.ts'), text)
  const code = executor({ url: pathToFileURL(join(folder, 'h.ts')).href, text })
  const cwd = fileURLToPath(new URL('../', import.meta.url))
  const parent = spawn(process.execPath, ['--input-type=module', '-e', code], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void parent.kill('SIGKILL'))
  let printed = ''
  parent.stdout.setEncoding('utf8').on('data', (piece: string) => {
    printed += piece
  })
  await expect.poll(() => printed.split('\n').length, { timeout: 30_000 }).toBe(3)
  const pids = printed.trim().split('\n').map(Number)
  onTestFinished(() => {
    for (const pid of pids.filter(isThere)) process.kill(pid, 'SIGKILL')
  })
  expect(pids.every(isThere)).toBe(true)
  parent.kill('SIGKILL')
  await expect.poll(() => pids.filter(isThere), { timeout: 30_000 }).toEqual([])
})
