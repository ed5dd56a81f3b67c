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

async function change(user: Caller, kind: Change['kind'], made: Made): Promise<Change> {
  const { status, body } = await user.call<FencedJobView>(...requestOf(kind, made))
  const answeredAt = preciseNow()
  if (status !== 200 && status !== 202) throw new Error(`${kind} of ${made.id}: ${status} ${JSON.stringify(body)}`)
  const listed = body.inFlight.map(({ executionId }) => executionId)
  return { kind, changedAt: Date.parse(body.updatedAt), answeredAt, isFirm: status === 200, listed }
}

interface Driven {
  readonly id: string
  readonly plan: PlannedJob
  readonly firstAt: number
  readonly changes: readonly Change[]
}

/** Makes one job before its first fire time, and changes it as it is planned. */
async function drive(user: Caller, target: Target, plan: PlannedJob, beginAt: number): Promise<Driven> {
  const firstAt = beginAt + plan.firstAt
  const url = `${target.url}/${plan.index}`
  await wait(firstAt - madeBeforeMs - Date.now())
  const made = await user.call<JobView>('POST', '/jobs', {
    jobType: 'HTTP_CALL',
    params: { url: `${url}/1` },
    schedule: { every: `${usualEveryMs}ms` },
    startAt: wireTime(firstAt),
    endAt: wireTime(firstAt + spanMs),
  })
  if (made.status !== 201) throw new Error(`the creation of a job: ${made.status} ${JSON.stringify(made.body)}`)
  const { id } = made.body
  const job = { id, url, firstAt }
  if (Date.parse(made.body.nextRunAt ?? '') !== firstAt) throw new Error(`${id} begins at ${made.body.nextRunAt}`)
  await wait(beginAt + plan.operateAt - Date.now())
  const changes = [await change(user, plan.operation, job)]
  if (plan.resumeAt !== null) {
    await wait(beginAt + plan.resumeAt - Date.now())
    changes.push(await change(user, 'resume', job))
  }
  return { id, plan, firstAt, changes }
}

const isEnded = (entry: HistoryEntry) =>
  entry.kind === 'fire-log' || !['SCHEDULED', 'RUNNING', 'RETRYING'].includes(entry.execution.status)

/** The history of a job when all that it lists has ended. */
async function readHistory(user: Caller, { id, firstAt }: Driven): Promise<HistoryEntry[]> {
  await wait(firstAt + otherSpanMs + 3_000 - Date.now())
  return eventually(
    `all executions of ${id} to end`,
    async () => {
      const history = await readAll<HistoryEntry>(user, `/jobs/${id}/history`)
      return history.every(isEnded) ? history : undefined
    },
    restMs,
  )
}

/** Runs the plan against a Belfry, and reads what became of each job. */
export async function run(user: Caller, target: Target, plan: readonly PlannedJob[]): Promise<JobRecord[]> {
  const beginAt = Date.now()
  const driven = await Promise.all(plan.map((one) => drive(user, target, one, beginAt)))
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
