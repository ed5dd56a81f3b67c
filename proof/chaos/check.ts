import { executionStatusOf, isEnded, scheduledExecutionId } from '@belfry/contracts'
import type { Violation } from '../violation.ts'
import { type Answered, type LoadResult, retryDelayMs } from './load.ts'
import type { Cron, LoadRequest, OneShot, Plan } from './plan.ts'
import type { FireLogRange, StoredCopy, StoredExecution, StoredJob, StoreState } from './stores.ts'
import type { Call } from './target-record.ts'

/** What a campaign has left behind: what was asked for, what was answered, what is stored, and which calls the target got. */
export interface Evidence {
  readonly plan: Pick<Plan, 'load'>
  readonly load: LoadResult
  readonly stores: StoreState
  readonly calls: readonly Call[]
}

/** The evidence, by what it belongs to. */
interface Lookup {
  readonly requests: ReadonlyMap<string, LoadRequest>
  readonly executions: ReadonlyMap<string, StoredExecution>
  readonly copies: ReadonlyMap<string, StoredCopy>
  readonly jobs: ReadonlyMap<string, StoredJob>
  readonly callsOf: ReadonlyMap<string, readonly Call[]>
  readonly executionsOf: ReadonlyMap<string, readonly StoredExecution[]>
  readonly rangesOf: ReadonlyMap<string, readonly FireLogRange[]>
}

function groupBy<T>(entries: readonly T[], keyOf: (entry: T) => string): Map<string, T[]> {
  return Map.groupBy(entries, keyOf)
}

function lookUp({ plan, stores, calls }: Evidence): Lookup {
  return {
    requests: new Map(plan.load.map((one) => [one.name, one])),
    executions: new Map(stores.executions.map((one) => [one.id, one])),
    copies: new Map(stores.copies.map((one) => [one.id, one])),
    jobs: new Map(stores.jobs.map((one) => [one.id, one])),
    callsOf: groupBy(calls, ({ key }) => key),
    executionsOf: groupBy(stores.executions, ({ jobId }) => jobId),
    rangesOf: groupBy(stores.fireLog, ({ jobId }) => jobId),
  }
}

const second = 1_000
const everySecond = (from: number, to: number) => {
  const first = Math.floor(from / second) * second + second
  return Array.from({ length: Math.max(0, Math.ceil((to - first) / second)) }, (_, n) => first + n * second)
}

/** When a job was cancelled; infinity while it was not. */
const cancelledAt = ({ changes }: StoredJob): number =>
  changes.find(({ kind }) => kind === 'cancel')?.changedAt ?? Number.POSITIVE_INFINITY

/** An execution that lost its executors too often has failed, whatever its job does. */
const isWornOut = ({ state, error }: StoredExecution) => state === 'failed' && error?.code === 'lost-too-often'

/** I1: each fire time of a cron has one outcome, from its creation to its cancel. */
function checkCron({ name }: Cron, job: StoredJob, { executions, rangesOf }: Lookup): Violation[] {
  const from = job.changes[0]?.changedAt ?? 0
  const until = cancelledAt(job)
  if (!Number.isFinite(until)) return [{ rule: 'I3', subject: job.id, text: `${name} was cancelled, and is not` }]
  const ranges = rangesOf.get(job.id) ?? []
  const wrong = ranges.filter((range) => (range.to - range.from) / second + 1 !== range.count)
  const found = everySecond(from, until).flatMap((at): Violation[] => {
    const id = scheduledExecutionId(job.id, at)
    const logged = ranges.filter((range) => range.from <= at && at <= range.to).length
    const outcomes = (executions.has(id) ? 1 : 0) + logged
    if (outcomes === 1) return []
    return [{ rule: 'I1', subject: id, text: `${outcomes} outcomes of ${name} at ${new Date(at).toISOString()}` }]
  })
  return [
    ...wrong.map((range) => ({
      rule: 'I1',
      subject: job.id,
      text: `fire log with a wrong count: ${JSON.stringify(range)}`,
    })),
    ...found,
  ]
}

/** I1, I6: the fire time of a one-shot has one outcome, and it is right. */
function checkOneShot({ name }: OneShot, job: StoredJob, { executionsOf, rangesOf }: Lookup): Violation[] {
  const found = executionsOf.get(job.id) ?? []
  const outcomes = found.length + (rangesOf.get(job.id)?.length ?? 0)
  const isCancelled = Number.isFinite(cancelledAt(job))
  const isCovered = (job.runAt ?? 0) < cancelledAt(job)
  if (outcomes > 1 || (outcomes === 0 && isCovered)) {
    return [{ rule: 'I1', subject: job.id, text: `${name} has ${outcomes} outcomes` }]
  }
  return found.flatMap((execution): Violation[] => {
    if (execution.fireAt !== job.runAt) {
      return [{ rule: 'I1', subject: execution.id, text: `${name} was due at ${job.runAt}, not ${execution.fireAt}` }]
    }
    if (isCancelled || execution.state === 'succeeded' || isWornOut(execution)) return []
    return [{ rule: 'I1', subject: execution.id, text: `${name} ended ${execution.state}` }]
  })
}

/** I3, I6: what was answered is stored, under the id of the answer, once. */
function checkAnswers({ load }: Evidence, lookup: Lookup): Violation[] {
  const { requests, executions, jobs, executionsOf } = lookup
  const jobsByName = groupBy([...jobs.values()], ({ name }) => name)
  const triggers = groupBy(
    [...load.answered.values()].filter(({ kind }) => kind === 'trigger'),
    ({ name }) => {
      const request = requests.get(name)
      return request?.kind === 'trigger' ? request.of : ''
    },
  )
  const perAnswer = [...load.answered.values()].flatMap((answer): Violation[] => {
    const { name, kind, id } = answer
    const request = requests.get(name)
    if (kind === 'trigger') {
      const execution = executions.get(id)
      if (!execution) return [{ rule: 'I3', subject: id, text: `${name} was answered, and there is no execution` }]
      if (execution.state === 'succeeded' || isWornOut(execution)) return []
      return [{ rule: 'I1', subject: id, text: `${name} ended ${execution.state}` }]
    }
    const job = jobs.get(id)
    if (!job) return [{ rule: 'I3', subject: id, text: `${name} was answered, and there is no job` }]
    if (kind === 'cancel') {
      return job.state === 'cancelled'
        ? []
        : [{ rule: 'I3', subject: id, text: `${name} was answered; it is ${job.state}` }]
    }
    const sameName = jobsByName.get(name)?.length ?? 0
    const doubled = sameName === 1 ? [] : [{ rule: 'I6', subject: id, text: `there are ${sameName} jobs ${name}` }]
    if (request?.kind === 'cron') return [...doubled, ...checkCron(request, job, lookup)]
    if (request?.kind === 'one-shot') return [...doubled, ...checkOneShot(request, job, lookup)]
    const made = executionsOf.get(id)?.length ?? 0
    const asked = triggers.get(name)?.length ?? 0
    const isExact = made === asked || load.unanswered.length > 0
    return isExact
      ? doubled
      : [...doubled, { rule: 'I6', subject: id, text: `${asked} triggers of ${name}, ${made} executions` }]
  })
  const lost = load.unanswered.map(({ name }) => ({ rule: 'load', subject: name, text: `${name} was never answered` }))
  const wrong = load.wrong.map((text) => ({ rule: 'I11', subject: 'load', text }))
  return [...perAnswer, ...lost, ...wrong]
}

const shortenedOutcomes = ['lost', 'failed', 'timed-out', 'interrupted', 'cancelled']

/** I2: the recorded result is the one of the attempt that owned the execution. */
function checkResult(execution: StoredExecution, calls: readonly Call[]): Violation[] {
  if (execution.state !== 'succeeded') return []
  const { id, attempts } = execution
  const winners = attempts.filter(({ outcome }) => outcome === 'succeeded')
  const [winner] = winners
  if (winners.length !== 1 || !winner)
    return [{ rule: 'I2', subject: id, text: `${winners.length} attempts have succeeded` }]
  const { body } = (execution.result ?? {}) as { body?: { call?: number } }
  const call = calls.find((one) => one.call === body?.call)
  if (!call)
    return [
      { rule: 'I2', subject: id, text: `its result names call ${body?.call}, which the target never got from it` },
    ]
  if (call.epoch === winner.epoch && call.status === 200) return []
  return [
    { rule: 'I2', subject: id, text: `attempt ${winner.epoch} is recorded with the result of attempt ${call.epoch}` },
  ]
}

/** I7: an attempt calls once, and every start but one is explained by an attempt that did not succeed. */
function checkStarts({ id, attempts, losses, failures }: StoredExecution, calls: readonly Call[]): Violation[] {
  const epochs = new Set(calls.map(({ epoch }) => epoch))
  const twice = calls.length - epochs.size
  const ended = attempts.filter(({ outcome }) => outcome !== null && shortenedOutcomes.includes(outcome)).length
  const explained = Math.max(ended, losses + failures)
  return [
    ...(twice > 0 ? [{ rule: 'I7', subject: id, text: `${twice} calls with an epoch that had called before` }] : []),
    ...(epochs.size - 1 > explained
      ? [{ rule: 'I7', subject: id, text: `${epochs.size} attempts have called, ${explained} are explained` }]
      : []),
  ]
}

/** I5: nothing before its fire time, and no retry before its wait is over. */
function checkTimes(
  { id, attempts, fireAt }: StoredExecution,
  calls: readonly Call[],
  isOneShot: boolean,
): Violation[] {
  const early = calls.filter((call) => call.at < fireAt)
  const soon = attempts.flatMap((attempt): Violation[] => {
    if (!isOneShot || attempt.outcome !== 'failed' || attempt.endedAt === null) return []
    const until = attempt.endedAt + retryDelayMs
    const next = calls.find(({ epoch, at }) => epoch > attempt.epoch && at < until)
    return next
      ? [{ rule: 'I5', subject: id, text: `attempt ${next.epoch} came ${until - next.at} ms before its wait was over` }]
      : []
  })
  return [
    ...early.map((call) => ({ rule: 'I5', subject: id, text: `a call ${fireAt - call.at} ms before its time` })),
    ...soon,
  ]
}

/** I4, I10: everything has ended, and job-service has the same. */
function checkCopy(execution: StoredExecution, copy: StoredCopy | undefined): Violation[] {
  const { id } = execution
  if (!isEnded(execution.state)) return [{ rule: 'I10', subject: id, text: `it is still ${execution.state}` }]
  if (!copy) return [{ rule: 'I4', subject: id, text: 'job-service does not know it' }]
  const [ours, theirs] = [copy, execution].map((one) =>
    JSON.stringify([
      one.seq,
      one.version,
      one.epoch,
      'status' in one ? one.status : executionStatusOf(one),
      one.attempts,
    ]),
  )
  return ours === theirs ? [] : [{ rule: 'I4', subject: id, text: `job-service has ${ours}, the executors ${theirs}` }]
}

/** A call that no execution has made is one of an execution that was lost. */
function checkCalls({ calls }: Evidence, { executions }: Lookup): Violation[] {
  return [...new Set(calls.map(({ key }) => key))].flatMap((key) =>
    executions.has(key)
      ? []
      : [{ rule: 'I3', subject: key, text: 'the target was called for an execution that is not stored' }],
  )
}

function checkExecutions({ stores }: Evidence, { callsOf, copies, jobs, requests }: Lookup): Violation[] {
  return stores.executions.flatMap((execution) => {
    const calls = callsOf.get(execution.id) ?? []
    const request = requests.get(jobs.get(execution.jobId)?.name ?? '')
    const hasSucceeded = execution.state === 'succeeded'
    return [
      ...checkResult(execution, calls),
      ...checkStarts(execution, calls),
      ...checkTimes(execution, calls, request?.kind === 'one-shot'),
      ...checkCopy(execution, copies.get(execution.id)),
      ...(hasSucceeded && calls.length === 0
        ? [{ rule: 'I2', subject: execution.id, text: 'it has succeeded, and the target was never called' }]
        : []),
    ]
  })
}

/** Copies of executions that the executors do not have: triggers that were never taken. */
function checkCopies({ stores }: Evidence, { executions }: Lookup): Violation[] {
  return stores.copies.flatMap(({ id, status }) =>
    executions.has(id)
      ? []
      : [{ rule: 'I10', subject: id, text: `job-service has it as ${status}, the executors never got it` }],
  )
}

/** The executions that the answer of a cancel lists. */
function listed({ body }: Answered): Set<string> {
  const inFlight = (body.inFlight ?? []) as { executionId: string }[]
  return new Set(inFlight.map(({ executionId }) => executionId))
}

/** I8: after a 200 to a cancel nothing of the job starts that the answer does not list. */
function checkCancels({ load, calls }: Evidence): Violation[] {
  const byJob = groupBy(calls, ({ jobId }) => jobId)
  return [...load.answered.values()].flatMap((answer) => {
    if (answer.kind !== 'cancel' || answer.status !== 200) return []
    const known = listed(answer)
    const late = (byJob.get(answer.id) ?? []).filter(({ at, key }) => at > answer.at && !known.has(key))
    return late.map(({ key, at }) => ({
      rule: 'I8',
      subject: key,
      text: `it called ${at - answer.at} ms after ${answer.name} was answered`,
    }))
  })
}

/**
 * I13: of a job whose runs do not overlap, no two are at work at once. Calls of an attempt that was lost are left out: its executor may
 * not have been able to stop it.
 */
function checkOverlaps({ plan }: Evidence, { jobs, callsOf, executionsOf }: Lookup): Violation[] {
  const single = new Set(plan.load.flatMap((one) => (one.kind === 'cron' && one.overlap === 'skip' ? [one.name] : [])))
  return [...jobs.values()]
    .filter(({ name }) => single.has(name))
    .flatMap((job) => {
      const runs = (executionsOf.get(job.id) ?? []).flatMap(({ id, attempts }) =>
        (callsOf.get(id) ?? []).filter(({ epoch }) =>
          attempts.some((one) => one.epoch === epoch && one.outcome === 'succeeded'),
        ),
      )
      const inOrder = runs.toSorted((a, b) => a.at - b.at)
      return inOrder.flatMap((call, index): Violation[] => {
        const before = inOrder[index - 1]
        if (!before || before.key === call.key || (before.answeredAt ?? 0) <= call.at) return []
        return [{ rule: 'I13', subject: call.key, text: `it began while ${before.key} was at work` }]
      })
    })
}

/** I12: nothing that the services send each other is poison. */
function checkPoison({ stores }: Evidence): Violation[] {
  return stores.poison.map((text) => ({ rule: 'I12', subject: 'poison', text }))
}

/** Everything that does not hold. */
export function checkEvidence(evidence: Evidence): Violation[] {
  const lookup = lookUp(evidence)
  return [
    ...checkAnswers(evidence, lookup),
    ...checkExecutions(evidence, lookup),
    ...checkCopies(evidence, lookup),
    ...checkCalls(evidence, lookup),
    ...checkCancels(evidence),
    ...checkOverlaps(evidence, lookup),
    ...checkPoison(evidence),
  ]
}
