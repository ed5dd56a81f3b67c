import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createSystemClock } from '@belfry/service'
import { onTestFinished } from 'vitest'
import { JobFailure, type RunContext } from '../src/index.ts'
import { createRunnerPool, type HandlerSource, type RunnerPoolOptions, type RunRules } from '../src/runner/index.ts'

const clock = createSystemClock()

export interface TestRun extends RunContext {
  readonly lines: string[]
  readonly files: { name: string; bytes: number }[]
  abort(code: string): void
}

/** What the executor gives an attempt, for a test to look at. `timeoutMs` counts from its begin. */
export function createTestRun(of: { id?: string; timeoutMs?: number; state?: string } = {}): TestRun {
  const controller = new AbortController()
  const abort = (code: string) => controller.abort(new JobFailure(code, `The attempt is aborted: ${code}.`))
  const lines: string[] = []
  const files: { name: string; bytes: number }[] = []
  let state = of.state
  const id = of.id ?? 'exe-1'
  return {
    ...{ executionId: id, jobId: 'job-1', ownerId: 'usr-1', epoch: 1, fireAt: 0, idempotencyKey: id },
    ...{ clock, lines, files, abort, signal: controller.signal },
    begin() {
      if (of.timeoutMs !== undefined) clock.callAfter(of.timeoutMs, () => abort('timeout'))
    },
    log: (level, text) => void lines.push(`${level} ${text}`),
    artifact: (name, _, body) => void files.push({ name, bytes: body.length }),
    async checkpoint(given) {
      state = given
    },
    resume: async () => state,
  }
}

export const alone: RunRules = { isShared: false, concurrency: 100 }
export const shared: RunRules = { isShared: true, concurrency: 100 }

/** A pool, and handler files in a folder outside of the repository. */
export async function openPool(options: Partial<RunnerPoolOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-handlers-'))
  const limits = { logLines: 100, logBytes: 10_000, logLineBytes: 1000, artifacts: 2, artifactBytes: 1000 }
  const pool = createRunnerPool({
    ...{ clock, limits, processes: 4, attemptsPerProcess: 10, idleMs: 10_000 },
    ...{ memoryMb: 64, blockedMs: 200, loadMs: 20_000, env: { GREETING: 'hi' } },
    ...options,
  })
  onTestFinished(async () => {
    await pool.close()
    await rm(folder, { recursive: true })
  })
  let files = 0

  /** A handler file whose `run` has this body. */
  async function handler(body: string, name = `h${++files}.ts`): Promise<HandlerSource> {
    const text = `import { defineJob, fatal, retryAfter } from '@belfry/worker'
      import { z } from 'zod'
      const params = z.object({ n: z.int().default(1), what: z.string().default('') })
      export default defineJob({ type: 'T', title: 'T', params, async run({ n, what }: { n: number; what: string }, ctx) { ${body} } })`
    return file(text, name)
  }
  async function file(text: string, name = `h${++files}.ts`): Promise<HandlerSource> {
    const path = join(folder, name)
    await writeFile(path, text)
    return { url: pathToFileURL(path).href, text }
  }
  const outcome = (source: HandlerSource, params: unknown, run: RunContext, rules = alone) =>
    pool.run(source, rules, params, run).catch((error) => (error instanceof JobFailure ? error.code : error.name))
  return { pool, handler, file, outcome, folder }
}
