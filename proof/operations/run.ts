import type { FencedJobView, HistoryEntry, JobView } from '@belfry/contracts'
import { eventually } from '../belfry-process.ts'
import { type Caller, readAll } from '../caller.ts'
import { preciseNow, type Target } from '../target.ts'
import { madeBeforeMs, otherEveryMs, otherSpanMs, type PlannedJob, spanMs, usualEveryMs } from './plan.ts'
import type { Change, JobRecord } from './record.ts'

/** Jobs whose history is read at a time. */
const readers = 8
/** How long after its last fire time a job may take until all its executions have ended, milliseconds. */
const restMs = 60_000

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, ms)))

const wireTime = (at: number) => new Date(at).toISOString()

interface Made {
  readonly id: string
  /** Where its calls go, without the number of the update. */
  readonly url: string
  /** Its first fire time, epoch milliseconds. */
  readonly firstAt: number
}

const reschedule = (firstAt: number) => ({
  schedule: { every: `${otherEveryMs}ms` },
  endAt: wireTime(firstAt + otherSpanMs),
})

/** What a change of this kind is called with. */
function requestOf(
  kind: Change['kind'],
  { id, url, firstAt }: Made,
): readonly [method: string, path: string, body?: object] {
  if (kind === 'update') return ['PATCH', `/jobs/${id}`, { params: { url: `${url}/2` } }]
  if (kind === 'reschedule') return ['PATCH', `/jobs/${id}`, reschedule(firstAt)]
  if (kind === 'delete') return ['DELETE', `/jobs/${id}`]
  return ['POST', `/jobs/${id}/${kind}`, {}]
}

/** An answer of status 0 stands for none: the machine is too busy to take the connection. */
async function callOnce<T>(user: Caller, ...request: Parameters<Caller['call']>): Promise<{ status: number; body: T }> {
  return user.call<T>(...request).catch(() => ({ status: 0, body: undefined as T }))
}

const isUnclear = (status: number) => status === 0 || status >= 500

/**
 * Without a clear answer the call is sent again, for the same version of the job: a copy of it that is still on its way changes
 * nothing after another one has been taken. Null when it came too late: the new schedule had no fire time left.
 */
async function change(user: Caller, kind: Change['kind'], made: Made, version: number): Promise<Change | null> {
  const [method, path, body] = requestOf(kind, made)
  for (let asked = version; ; ) {
    const answer = await callOnce<FencedJobView>(user, method, path, body, { 'if-match': `"${asked}"` })
    const answeredAt = preciseNow()
    if (answer.status === 200 || answer.status === 202) {
      const { updatedAt, inFlight, version: reached } = answer.body
      const listed = inFlight.map(({ executionId }) => executionId)
      return {
        kind,
        version: reached,
        changedAt: Date.parse(updatedAt),
        answeredAt,
        isFirm: answer.status === 200,
        listed,
      }
    }
    if (answer.status === 422) return null
    // An earlier copy has made the change: the same again on its version asks what is in flight.
    if (answer.status === 412 && asked === version) asked += 1
    else if (isUnclear(answer.status)) await wait(200)
    else throw new Error(`${kind} of ${made.id}: ${answer.status} ${JSON.stringify(answer.body)}`)
  }
}

interface Driven {
  readonly id: string
  readonly plan: PlannedJob
  readonly firstAt: number
  readonly changes: readonly Change[]
}

/** Null when the job was made too late for its first fire time. */
async function create(user: Caller, url: string, firstAt: number): Promise<JobView | null> {
  const body = {
    jobType: 'HTTP_CALL',
    params: { url: `${url}/1` },
    schedule: { every: `${usualEveryMs}ms` },
    startAt: wireTime(firstAt),
    endAt: wireTime(firstAt + spanMs),
    // A busy machine may hold up a run until the next fire time; that is not what is proved here.
    overlap: { policy: 'allow' },
  }
  for (;;) {
    const made = await callOnce<JobView>(user, 'POST', '/jobs', body, { 'idempotency-key': url })
    if (made.status === 201) return Date.parse(made.body.nextRunAt ?? '') === firstAt ? made.body : null
    if (made.status === 422 && Date.now() > firstAt) return null
    if (!isUnclear(made.status) && made.status !== 409) throw new Error(`a creation: ${JSON.stringify(made)}`)
    await wait(200)
  }
}

/** Makes one job before its first fire time, and changes it as it is planned; null when it was made too late. */
async function drive(user: Caller, target: Target, plan: PlannedJob, beginAt: number): Promise<Driven | null> {
  const firstAt = beginAt + plan.firstAt
  const url = `${target.url}/${plan.index}`
  await wait(firstAt - madeBeforeMs - Date.now())
  const made = await create(user, url, firstAt)
  if (!made) return null
  const { id } = made
  const job = { id, url, firstAt }
  await wait(beginAt + plan.operateAt - Date.now())
  const first = await change(user, plan.operation, job, made.version)
  const changes = [first]
  if (plan.resumeAt !== null) {
    await wait(beginAt + plan.resumeAt - Date.now())
    changes.push(await change(user, 'resume', job, first?.version ?? made.version))
  }
  return { id, plan, firstAt, changes: changes.filter((one) => one !== null) }
}

const isEnded = (entry: HistoryEntry) =>
  entry.kind === 'fire-log' || !['SCHEDULED', 'RUNNING', 'RETRYING'].includes(entry.execution.status)

/** The history of a job when all that it lists has ended. */
async function readHistory(user: Caller, { id, firstAt }: Driven): Promise<HistoryEntry[]> {
  await wait(firstAt + otherSpanMs + 3_000 - Date.now())
  return eventually(
    `all executions of ${id} to end`,
    async () => {
      const history = await readAll<HistoryEntry>(user, `/jobs/${id}/history`).catch(() => undefined)
      return history?.every(isEnded) ? history : undefined
    },
    restMs,
  )
}

/** Runs the plan against a Belfry, and reads what became of each job. Those that were made too late are left out. */
export async function run(user: Caller, target: Target, plan: readonly PlannedJob[]): Promise<JobRecord[]> {
  const beginAt = Date.now()
  const all = await Promise.all(plan.map((one) => drive(user, target, one, beginAt)))
  const driven = all.filter((one) => one !== null)
  const calls = () => Map.groupBy(target.calls, ({ jobId }) => jobId)
  const histories = new Map<string, HistoryEntry[]>()
  let next = 0
  const read = async () => {
    for (let one = driven[next++]; one; one = driven[next++]) histories.set(one.id, await readHistory(user, one))
  }
  await Promise.all(Array.from({ length: readers }, read))
  const byJob = calls()
  return driven.map((one) => ({ ...one, history: histories.get(one.id) ?? [], calls: byJob.get(one.id) ?? [] }))
}
