import { setTimeout as wait } from 'node:timers/promises'
import { type Caller, readAll, signUp } from '../proof/caller.ts'
import { inParallel, withBelfry } from './belfry.ts'
import { type Benchmark, type Figure, percentile } from './report.ts'

interface Execution {
  readonly status: string
  readonly fireAt: string
  readonly latenessMs: number | null
}

/** Until the first one-shot of a phase is due, milliseconds for each of them: by then all are stored. */
const leadMsEach = 15
/** How long the neighbour calls before the first one-shot is due, milliseconds. */
const beforeMs = 1_000
/** How many times as much as each other user the neighbour does. */
const times = 100

/** `perSecond` calls, evenly, while it is not `untilMs`; resolves to how many were taken and how many refused. */
async function makeTriggers(user: Caller, jobId: string, perSecond: number, untilMs: number) {
  const calls: Promise<number>[] = []
  const startedAt = performance.now()
  for (let sent = 0; Date.now() < untilMs; sent++) {
    await wait(Math.max(0, startedAt + (sent * 1000) / perSecond - performance.now()))
    calls.push(user.call('POST', `/jobs/${jobId}/trigger`).then(({ status }) => status))
  }
  const statuses = await Promise.all(calls)
  return { taken: statuses.filter((status) => status === 202).length, sent: statuses.length }
}

/** One-shots of all users at random milliseconds of `seconds`; their lateness, beside the neighbour's calls if it has any. */
async function measurePhase(users: readonly Caller[], perUser: number, seconds: number, neighbour?: Neighbour) {
  const startMs = Date.now() + beforeMs + users.length * perUser * leadMsEach
  const endMs = startMs + seconds * 1000
  await inParallel(users.length * perUser, 8, async (index) => {
    const runAt = new Date(startMs + Math.floor(Math.random() * seconds * 1000)).toISOString()
    const user = users[index % users.length] as Caller
    const made = await user.call('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 0 }, runAt })
    if (made.status !== 201) throw new Error(`create: ${made.status} ${JSON.stringify(made.body)}`)
  })
  await wait(startMs - beforeMs - Date.now())
  if (Date.now() > startMs) throw new Error('the first one-shot was due before the last one was created')
  const called = neighbour && (await makeTriggers(neighbour.user, neighbour.jobId, neighbour.perSecond, endMs))
  await wait(Math.max(0, endMs + 3000 - Date.now()))
  const late: number[] = []
  for (const user of users) {
    for (const { status, fireAt, latenessMs } of await readAll<Execution>(user, '/executions')) {
      const firedAt = Date.parse(fireAt)
      if (firedAt >= startMs && firedAt < endMs) late.push(status === 'SUCCESS' ? (latenessMs ?? 1e6) : 1e6)
    }
  }
  return { late, called, missing: users.length * perUser - late.length }
}

interface Neighbour {
  readonly user: Caller
  readonly jobId: string
  readonly perSecond: number
}

async function measure(userCount: number, perUser: number, seconds: number, pairs: number): Promise<Figure[]> {
  return withBelfry(async (belfry, user) => {
    const users: Caller[] = []
    // One after the other: sign-ups wait for a hash each.
    while (users.length < userCount) users.push(await signUp(belfry.url))
    const job = await user.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 0 } })
    const neighbour = { user, jobId: job.body.id, perSecond: (perUser / seconds) * times }
    await measurePhase(users, Math.min(perUser, 2), 2)
    const alone: number[] = []
    const beside: number[] = []
    let [missing, taken, sent] = [0, 0, 0]
    for (let pair = 0; pair < pairs; pair++) {
      const first = await measurePhase(users, perUser, seconds)
      const second = await measurePhase(users, perUser, seconds, neighbour)
      alone.push(...first.late)
      beside.push(...second.late)
      missing += first.missing + second.missing
      taken += second.called?.taken ?? 0
      sent += second.called?.sent ?? 0
    }
    const of = (late: readonly number[], share: number) => percentile([...late], share)
    const figure = (what: string, value: number, unit: string, goal?: Figure['goal']): Figure => ({
      id: 'neighbour',
      what,
      value,
      unit,
      ...(goal && { goal }),
    })
    // Lateness is measured in whole milliseconds: a tenth of one cannot be seen.
    const ratio = (share: number) => Math.max(1, of(beside, share)) / Math.max(1, of(alone, share))
    return [
      figure('lateness alone p50', of(alone, 0.5), 'ms'),
      figure('lateness alone p99', of(alone, 0.99), 'ms'),
      figure('lateness beside the neighbour p50', of(beside, 0.5), 'ms'),
      figure('lateness beside the neighbour p99', of(beside, 0.99), 'ms'),
      figure('p50 beside by alone', ratio(0.5), 'x', { atMost: 1.1 }),
      figure('p99 beside by alone', ratio(0.99), 'x', { atMost: 1.1 }),
      figure('triggers of the neighbour', sent / (pairs * (seconds + beforeMs / 1000)), '/s'),
      figure('of them taken', (taken / sent) * 100, '%'),
      figure('one-shots without a run', missing, 'runs', { atMost: 0 }),
    ]
  })
}

/** Acceptance of issue 11: one user at 100 times the others' rate leaves the others' lateness unchanged within 10 %. */
export const neighbour: Benchmark = {
  title: 'The lateness of 20 users alone, and beside one who triggers at 100 times their rate',
  defaults: { users: 20, n: 40, seconds: 20, pairs: 2 },
  run: ({ users = 0, n = 0, seconds = 0, pairs = 0 }) => measure(users, n, seconds, pairs),
}
