import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type Caller, readAll } from '../proof/caller.ts'
import { withBelfry } from './belfry.ts'
import { createOneShots } from './lateness.ts'
import { type Benchmark, type Figure, percentile } from './report.ts'

interface Execution {
  status: string
  latenessMs: number | null
  durationMs: number | null
  error: { code: string } | null
}

/** The acceptance case of a handler that goes wrong: 200 other jobs beside one run of 2 seconds. */
const ONE_N = 200
const ONE_SECONDS = 3

/** Handlers that go wrong, each in a way of its own. */
const bad = {
  LOOPS: 'while (true);',
  LEAKS: 'const all = []; while (true) all.push(new Array(1000).fill(params.n))',
  EXITS: 'process.exit(1)',
  PRINTS: "const line = 'y'.repeat(10_000); for (let i = 0; i < 1_000_000; i++) console.log(line); while (true);",
}

const handlerText = (type: string, body: string) => `import { defineJob } from '@belfry/worker'
import { z } from 'zod'
export default defineJob({ type: '${type}', title: 'Bad', params: z.object({ n: z.int().default(1) }), async run(params) { ${body} } })`

/** One bad handler with a time limit of two seconds. It is started now, by a trigger. */
async function startOneBadJob(user: Caller, jobType: string): Promise<void> {
  const body = { jobType, timeout: '2s', retry: { maxRetries: 0 } }
  const created = await user.call('POST', '/jobs', body)
  const id = (created.body as { id?: string }).id
  const triggered = await user.call('POST', `/jobs/${id}/trigger`, {})
  if (triggered.status !== 202) throw new Error(`${jobType}: ${triggered.status} ${JSON.stringify(triggered.body)}`)
}

/** Each bad handler runs every two seconds, with a time limit of two seconds, until the jobs are cancelled. */
async function startBadJobs(user: Caller): Promise<void> {
  for (const jobType of Object.keys(bad)) {
    const body = {
      jobType,
      schedule: { every: '2s' },
      timeout: '2s',
      retry: { maxRetries: 0 },
      overlap: { policy: 'allow' },
    }
    const created = await user.call('POST', '/jobs', body)
    if (created.status !== 201) throw new Error(`${jobType}: ${created.status} ${JSON.stringify(created.body)}`)
  }
}

const latenessFigures = (late: readonly number[], what: string): Figure[] => [
  { id: 'P1', what: `start lateness p50 ${what}`, value: percentile(late, 0.5), unit: 'ms', goal: { atMost: 1 } },
  { id: 'P1', what: `start lateness p99 ${what}`, value: percentile(late, 0.99), unit: 'ms', goal: { atMost: 8 } },
  { id: 'P1', what: `start lateness max ${what}`, value: percentile(late, 1), unit: 'ms' },
]

/** The lateness of one-shots alone, and then of as many beside the bad handlers, in one process. */
async function besideBadHandlers(n: number, seconds: number, folder: string): Promise<Figure[]> {
  return withBelfry(
    async (_, user) => {
      const measure = async (tag: string, what: string, jobs = n, over = seconds, begin?: () => Promise<void>) => {
        const body = { jobType: 'DUMMY', params: { durationMs: 0 }, name: tag }
        const span = await createOneShots(user, jobs, over, body)
        if (begin) await wait(Math.max(0, span.start - Date.now())).then(begin)
        await wait(Math.max(0, span.end + 2000 - Date.now()))
        const runs = await readAll<Execution & { jobName: string }>(user, '/executions?jobType=DUMMY')
        const late = runs.filter((one) => one.jobName === tag).map((one) => one.latenessMs ?? Number.NaN)
        return [
          ...latenessFigures(late, what),
          { id: 'P1', what: `not run ${what}`, value: jobs - late.length, unit: 'runs' },
        ]
      }
      const alone = await measure('alone', 'alone')
      const besideOne: Figure[] = []
      for (const type of Object.keys(bad)) {
        const name = type.toLowerCase()
        besideOne.push(
          ...(await measure(name, `beside one that ${name}`, ONE_N, ONE_SECONDS, () => startOneBadJob(user, type))),
        )
        const [run] = await readAll<Execution>(user, `/executions?jobType=${type}`)
        const ended = run?.status === 'FAILED' ? (run.durationMs ?? Number.NaN) : Number.NaN
        besideOne.push({ id: 'handlers', what: `one that ${name} is FAILED after`, value: ended, unit: 'ms' })
      }
      await startBadJobs(user)
      const beside = await measure('beside', 'beside all of them, every two seconds')
      const loops = await readAll<Execution>(user, '/executions?jobType=LOOPS&status=FAILED')
      const ends = loops.filter((one) => one.error?.code === 'timeout').map((one) => one.durationMs ?? Number.NaN)
      return [
        ...alone,
        ...besideOne,
        ...beside,
        { id: 'handlers', what: 'a loop with 2 s ends after, p50', value: percentile(ends, 0.5), unit: 'ms' },
        { id: 'handlers', what: 'a loop with 2 s ends after, max', value: percentile(ends, 1), unit: 'ms' },
        { id: 'handlers', what: 'loops that ended', value: ends.length, unit: 'runs' },
      ]
    },
    { BELFRY_EXECUTOR_HANDLERS: folder },
  )
}

/** What handlers that loop, leak, exit or print without end cost the jobs beside them. */
export const handlers: Benchmark = {
  title: 'P1 beside handlers that loop, leak, exit and print without end',
  defaults: { n: 500, seconds: 15 },
  async run({ n = 0, seconds = 0 }) {
    const folder = await mkdtemp(join(tmpdir(), 'belfry-bench-'))
    try {
      for (const [type, body] of Object.entries(bad))
        await writeFile(join(folder, `${type}.ts`), handlerText(type, body))
      return await besideBadHandlers(n, seconds, folder)
    } finally {
      await rm(folder, { recursive: true })
    }
  },
}
