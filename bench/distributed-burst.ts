import { setTimeout as wait } from 'node:timers/promises'
import { eventually } from '../proof/belfry-process.ts'
import { type Caller, readAll } from '../proof/caller.ts'
import { inParallel } from './belfry.ts'
import { allEnded, type MeasuredFleet, withFleet } from './fleet.ts'
import { type Benchmark, type Figure, percentile } from './report.ts'

interface Execution {
  jobId: string
  status: string
  attempts: { executor: string }[]
  startedAt: string | null
  timeline: { sentAt: string | null }
}

const isDone = ({ status }: Execution) => status === 'SUCCESS'

/** Creates the one-shots of one second, which lies behind the last creation by at least what the look-ahead needs. */
async function createAll(user: Caller, n: number, leadMs: number): Promise<number> {
  const dueAt = Math.ceil((Date.now() + leadMs) / 1000) * 1000
  await inParallel(n, 32, async (index) => {
    const runAt = new Date(dueAt + (index % 1000)).toISOString()
    const created = await user.call('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 0 }, runAt })
    if (created.status !== 201) throw new Error(`create: ${created.status} ${JSON.stringify(created.body)}`)
  })
  // The schedules are handed over 4.6 s ahead: all of them are then with the scheduler.
  if (Date.now() > dueAt - 7_000) throw new Error('the jobs were due before all were stored; give a longer --lead')
  return dueAt
}

function figuresOf(n: number, dueAt: number, runs: readonly Execution[], who: string): Figure[] {
  const started = runs.map(({ startedAt }) => (Date.parse(startedAt ?? '') - dueAt) / 1000)
  const sent = runs.map(({ timeline }) => (Date.parse(timeline.sentAt ?? '') - dueAt + 4_600) / 1000)
  const jobs = new Set(runs.map(({ jobId }) => jobId)).size
  const executors = Map.groupBy(runs, ({ attempts }) => attempts[0]?.executor ?? '')
  const shares = [...executors.values()].map(({ length }) => length / n)
  const figure = (what: string, value: number, unit: string, atMost?: number): Figure => ({
    id: 'F5',
    what: `${who}: ${what}`,
    value,
    unit,
    ...(atMost !== undefined && { goal: { atMost } }),
  })
  return [
    figure('from the beginning of the second to the last start', percentile(started, 1), 's', 5),
    figure('to the median start', percentile(started, 0.5), 's'),
    figure('from when the first is handed over to the last command', percentile(sent, 1), 's'),
    figure('jobs without a run', n - jobs, 'jobs', 0),
    figure('runs beyond one a job', runs.length - jobs, 'runs', 0),
    figure('runs of more than one attempt', runs.filter(({ attempts }) => attempts.length !== 1).length, 'runs', 0),
    figure('least share of an executor', Math.min(...shares), 'of all'),
  ]
}

async function oneBurst(
  { fleet, user, measure }: MeasuredFleet,
  n: number,
  leadMs: number,
  who: string,
): Promise<readonly Figure[]> {
  const dueAt = await createAll(user, n, leadMs)
  await wait(dueAt - 6_000 - Date.now())
  const recorded = async () => {
    const runs = await readAll<Execution>(user, '/executions').catch(() => [])
    return runs.filter(isDone).length >= n ? runs : undefined
  }
  await measure(`burst, ${who}`, n, async () => {
    await wait(Math.max(0, dueAt - Date.now()))
    await allEnded(fleet, n, 120_000 + n * 30)
  })
  const runs = await eventually('every run to be recorded', recorded, 120_000 + n * 30)
  return figuresOf(n, dueAt, runs, who)
}

/** F5; with `--alone` the same with one scheduler and one executor in the same run. */
export const distributedBurst: Benchmark = {
  title: 'F5: 10,000 no-op jobs due in one second, several schedulers and executors',
  defaults: { n: 10_000, schedulers: 3, executors: 3, lead: 0, alone: 0, profile: 0 },
  flags: ['alone', 'profile'],
  async run({ n = 0, schedulers = 1, executors = 1, lead = 0, alone = 0, profile }) {
    const leadMs = lead > 0 ? lead * 1000 : 15_000 + n * 20
    const sizes = [[schedulers, executors] as const, ...(alone > 0 ? [[1, 1] as const] : [])]
    const figures: Figure[] = []
    for (const [some, others] of sizes) {
      const instances = { 'scheduler-service': some, 'executor-service': others }
      const who = `${some} schedulers, ${others} executors`
      figures.push(...(await withFleet({ instances, profiles: profile }, (one) => oneBurst(one, n, leadMs, who))))
    }
    return figures
  },
}
