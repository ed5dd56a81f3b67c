import { type ExecutionState, isRefusal, type Refusal } from '@belfry/contracts'
import { retryOnConflict } from '@belfry/service'
import type { ExecutionChanges } from '../executions/changes.ts'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import { type Execution, isOwnedBy } from '../executions/execution.ts'
import { close, skip } from '../executions/transitions.ts'
import type { AdmissionStore, ExecutionStore, Stored, Stores } from '../store/ports.ts'
import { type Admission, closedAs, openAdmission, takePlace } from './admission.ts'

/** What a batch of claims comes to. */
export interface AdmittedClaims {
  readonly starts: readonly Stored[]
  /** Those that have ended instead, or are lost. */
  readonly ended: readonly Stored[]
  /**
   * Those that must not start, and whose end may or may not be stored, now or later, because of `error`. Asking again could admit
   * them: another execution may have left its place meanwhile. Their claims are given back.
   */
  readonly undecided: readonly Stored[]
  readonly error?: unknown
}

/** Why one of them must not start. */
type Stop = { readonly by: 'cancelled' | 'superseded' } | { readonly blockedBy: string }

/** A job whose admission another writer has changed is decided anew. */
const mostRounds = 50

interface JobClaims {
  readonly jobId: string
  readonly claims: readonly Stored[]
}

function byJob(claims: readonly Stored[]): JobClaims[] {
  const jobs = new Map<string, Stored[]>()
  for (const claim of claims) {
    const { jobId } = claim.execution
    const ofJob = jobs.get(jobId)
    if (ofJob) ofJob.push(claim)
    else jobs.set(jobId, [claim])
  }
  return Array.from(jobs, ([jobId, ofJob]) => ({ jobId, claims: ofJob }))
}

/** The states of the executions that hold places. Those of the batch run: that is what claiming them means. */
async function statesOf(
  store: ExecutionStore,
  admissions: readonly Admission[],
): Promise<(id: string) => ExecutionState | undefined> {
  const ids = [...new Set(admissions.flatMap((one) => one.places))]
  const states = ids.length === 0 ? [] : await store.readStates(ids)
  const byId = new Map(ids.map((id, index) => [id, states[index]]))
  return (id) => (byId.has(id) ? byId.get(id) : 'running')
}

/** Decides for all claims of one job; the admission comes back changed when a place was taken. */
function admitJob(
  admission: Admission,
  claims: readonly Stored[],
  stateOf: (id: string) => ExecutionState | undefined,
  stops: Map<Stored, Stop>,
): Admission {
  let next = admission
  for (const claim of claims.toSorted((a, b) => a.execution.fireAt - b.execution.fireAt)) {
    const { execution } = claim
    const { overlap } = execution.policy
    const by = closedAs(next, execution)
    if (by !== null) stops.set(claim, { by })
    else if (overlap.policy === 'skip') {
      const answer = takePlace(next, execution.id, overlap.limit, stateOf)
      if (answer.blockedBy !== null) stops.set(claim, { blockedBy: answer.blockedBy })
      // All places of a batch are taken by one change of the admission.
      else if (answer.admission !== next) next = { ...answer.admission, rev: admission.rev + 1 }
    }
  }
  return next
}

/** One try for these jobs; answers those whose admission another writer changed meanwhile. */
async function admitOnce(
  executions: ExecutionStore,
  admissions: AdmissionStore,
  jobs: readonly JobClaims[],
  stops: Map<Stored, Stop>,
  at: number,
): Promise<JobClaims[]> {
  const stored = await admissions.read(jobs.map((one) => one.jobId))
  const before = jobs.map((one, index) => stored[index] ?? openAdmission(one.jobId))
  const stateOf = await statesOf(executions, before)
  const changes: { job: JobClaims; from: Admission; to: Admission }[] = []
  for (const [index, job] of jobs.entries()) {
    const from = before[index] as Admission
    for (const claim of job.claims) stops.delete(claim)
    const to = admitJob(from, job.claims, stateOf, stops)
    if (to !== from) changes.push({ job, from, to })
  }
  if (changes.length === 0) return []
  const counted = await admissions.compareAndSetMany('place', changes, at)
  return changes.flatMap(({ job }, index) => (counted[index] ? [] : [job]))
}

function stopped(execution: Execution, epoch: number, stop: Stop, at: number): Execution | Refusal {
  // It ended by this very stop, whose answer was lost, or another executor has it: its handler may be at work.
  if (!isOwnedBy(execution, epoch)) return execution
  return 'by' in stop ? close(execution, stop.by, at) : skip(execution, stop.blockedBy, at)
}

/**
 * Admits claims that are stored and have not started (protocol.md step 9): reads the admissions of the whole batch, after
 * the claims; what a floor closes ends without a try being charged; where the job limits overlap, a place is taken in
 * the admission's own compare-and-set, or the execution is skipped and names the one in its way.
 */
export async function admitClaims(
  { executions, admissions }: Pick<Stores, 'executions' | 'admissions'>,
  executionChanges: ExecutionChanges,
  claims: readonly Stored[],
  at: number,
): Promise<AdmittedClaims> {
  const stops = new Map<Stored, Stop>()
  const left = await retryOnConflict(byJob(claims), mostRounds, (jobs) =>
    admitOnce(executions, admissions, jobs, stops, at),
  )
  if (left.length > 0) throw new Error(`${left.length} admissions changed faster than places could be taken`)
  if (stops.size === 0) return { starts: claims, ended: [], undecided: [] }
  const starts = claims.filter((one) => !stops.has(one))
  // A scheduler that has not applied the change may still send commands of the older version: its admission must stay.
  const closing = [...stops].filter(([, stop]) => 'by' in stop).map(([{ execution }]) => execution.jobId)
  if (closing.length > 0) await admissions.touch([...new Set(closing)], at)
  try {
    return { starts, ended: await endStopped(executions, executionChanges, stops, at), undecided: [] }
  } catch (error) {
    return { starts, ended: [], undecided: [...stops.keys()], error }
  }
}

async function endStopped(
  executions: ExecutionStore,
  executionChanges: ExecutionChanges,
  stops: Map<Stored, Stop>,
  at: number,
): Promise<Stored[]> {
  const ended: Stored[] = []
  for (const step of ['close', 'skip'] as const) {
    const some = [...stops].filter(([, stop]) => ('by' in stop ? 'close' : 'skip') === step)
    if (some.length === 0) continue
    const epochs = some.map(([claim]) => claim.execution.epoch)
    const changes = await compareAndSet(
      executions,
      step,
      some.map(([claim]) => claim),
      (execution, index) => stopped(execution, epochs[index] ?? 0, (some[index] as (typeof some)[number])[1], at),
      at,
    )
    executionChanges.publish(changedOnes(changes), step)
    for (const one of changes) {
      if (isRefusal(one)) throw new Error(one.detail)
      ended.push(one.stored)
    }
  }
  return ended
}
