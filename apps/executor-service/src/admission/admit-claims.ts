import { takesPlace } from '@belfry/contracts'
import { retryOnConflict } from '@belfry/service'
import type { AdmissionStore, ExecutionStore, Stored } from '../store/ports.ts'
import { type Admission, closedAs, openAdmission, type StateOf, takePlace } from './admission.ts'
import { cancelAll, type Stop, type StopClaimsOptions, stopClaims } from './stop-claims.ts'

/** What a batch of claims comes to. */
export interface AdmittedClaims {
  readonly starts: readonly Stored[]
  /** Those that have ended instead, wait for an overlap place, or are lost. */
  readonly ended: readonly Stored[]
  /** Those that have no overlap place yet, and may still find one: they are to be asked again. */
  readonly early: readonly Stored[]
  /** Executions that are asked to end, as their cancel is stored: another one takes their place. Their attempts are to be aborted. */
  readonly asked: readonly Stored[]
  /**
   * Those that must not start, and whose end may or may not be stored, now or later, because of `error`. Asking again could admit
   * them: another execution may have left its place meanwhile. Their claims are given back.
   */
  readonly undecided: readonly Stored[]
  readonly error?: unknown
}

export interface AdmitOptions extends StopClaimsOptions {
  readonly admissions: AdmissionStore
  /** How long after its time an execution of the schedule may still find an overlap place before it is skipped, milliseconds. */
  readonly placeGraceMs: number
}

/** What is decided for claims, until their admissions are stored. */
export interface Decisions {
  readonly at: number
  readonly placeGraceMs: number
  readonly early: Set<Stored>
  readonly stops: Map<Stored, Stop>
  /** Ids of executions that are to be asked to end, by the claim that takes their place. */
  readonly cancels: Map<Stored, readonly string[]>
}

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

/** The states of these executions. All others count as running: those of a batch are, since that is what claiming them means. */
export async function statesOf(store: ExecutionStore, ids: readonly string[]): Promise<StateOf> {
  const states = ids.length === 0 ? [] : await store.readStates(ids)
  const byId = new Map(ids.map((id, index) => [id, states[index]]))
  return (id) => (byId.has(id) ? byId.get(id) : 'running')
}

/** Decides for all claims of one job; the admission comes back changed when a place was taken, or an execution waits for one. */
export function admitJob(
  admission: Admission,
  claims: readonly Stored[],
  stateOf: StateOf,
  { at, placeGraceMs, early, stops, cancels }: Decisions,
): Admission {
  let next = admission
  let backfilled = 0
  for (const claim of claims.toSorted((a, b) => a.execution.fireAt - b.execution.fireAt)) {
    const { execution } = claim
    const { overlap } = execution.policy
    const by = closedAs(next, execution)
    if (by !== null) stops.set(claim, { step: 'close', by })
    else if (takesPlace(overlap)) {
      // The executions of a backfill run one after the other: each waits for a place, however many of them do. So none is the one
      // that `waiting` names, since those of the schedule would be skipped because of it, and none ends what runs.
      const isOfMany = execution.cause === 'backfill'
      const answer = takePlace(next, execution.id, isOfMany ? { ...overlap, policy: 'skip' } : overlap, stateOf)
      const step = isOfMany && answer.decision === 'skip' ? 'wait' : answer.decision
      // A claim comes ahead of its time, and what counts is whether there is a place at that time, or a moment later.
      const mayStillEnd = answer.decision === 'skip' && execution.cause === 'schedule'
      const decidedAt = execution.runAt + (mayStillEnd ? placeGraceMs : 0)
      if (answer.decision !== 'start' && at < decidedAt) {
        early.add(claim)
        continue
      }
      if (answer.decision !== 'start' && step !== 'start') {
        // As many are claimed again at a time as could start then.
        const turn = isOfMany ? 1 + Math.floor(backfilled++ / overlap.limit) : 1
        stops.set(claim, { step, blockedBy: answer.blockedBy, turn })
      }
      if (answer.decision === 'wait' && answer.cancel.length > 0) cancels.set(claim, answer.cancel)
      // All places of a batch are taken by one change of the admission.
      if (answer.admission !== next) next = { ...answer.admission, rev: admission.rev + 1 }
    }
  }
  return next
}

/** One try for these jobs; answers those whose admission another writer changed meanwhile. */
async function admitOnce(
  executions: ExecutionStore,
  admissions: AdmissionStore,
  jobs: readonly JobClaims[],
  decisions: Decisions,
): Promise<JobClaims[]> {
  const stored = await admissions.read(jobs.map((one) => one.jobId))
  const before = jobs.map((one, index) => stored[index] ?? openAdmission(one.jobId))
  const stateOf = await statesOf(executions, [...new Set(before.flatMap((one) => [...one.places, ...one.waiting]))])
  const changes: { job: JobClaims; from: Admission; to: Admission }[] = []
  for (const [index, job] of jobs.entries()) {
    const from = before[index] as Admission
    for (const claim of job.claims) {
      decisions.early.delete(claim)
      decisions.stops.delete(claim)
      decisions.cancels.delete(claim)
    }
    const to = admitJob(from, job.claims, stateOf, decisions)
    if (to !== from) changes.push({ job, from, to })
  }
  if (changes.length === 0) return []
  const counted = await admissions.compareAndSetMany('place', changes, decisions.at)
  return changes.flatMap(({ job }, index) => (counted[index] ? [] : [job]))
}

/**
 * Admits claims that are stored and have not started (docs/protocol.md step 9): reads the admissions of the whole batch, after
 * the claims; what a floor closes ends without a try being charged; where the job limits overlap, a place is taken in the
 * admission's own compare-and-set, or the execution waits or is skipped, and names the one in its way.
 */
export async function admitClaims(
  options: AdmitOptions,
  claims: readonly Stored[],
  at: number,
): Promise<AdmittedClaims> {
  const { executions, admissions } = options
  const { placeGraceMs } = options
  const decisions: Decisions = { at, placeGraceMs, early: new Set(), stops: new Map(), cancels: new Map() }
  const { stops, cancels } = decisions
  const left = await retryOnConflict(byJob(claims), mostRounds, (jobs) =>
    admitOnce(executions, admissions, jobs, decisions),
  )
  if (left.length > 0) throw new Error(`${left.length} admissions changed faster than places could be taken`)
  const early = [...decisions.early]
  const starts = claims.filter((one) => !stops.has(one) && !decisions.early.has(one))
  if (stops.size === 0) return { starts, early, ended: [], asked: [], undecided: [] }
  // A scheduler that has not applied the change may still send commands of the older version: its admission must stay.
  const closing = [...stops].filter(([, { step }]) => step === 'close').map(([{ execution }]) => execution.jobId)
  if (closing.length > 0) await admissions.touch([...new Set(closing)], at)
  let asked: Stored[] = []
  try {
    asked = await cancelAll(options, [...new Set([...cancels.values()].flat())], at)
    return { starts, early, ended: await stopClaims(options, stops, at), asked, undecided: [] }
  } catch (error) {
    return { starts, early, ended: [], asked, undecided: [...stops.keys()], error }
  }
}
