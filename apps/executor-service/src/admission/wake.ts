import { takesPlace } from '@belfry/contracts'
import { type Clock, createBatcher, type Logger } from '@belfry/service'
import { type ExecutionChanges, hasEnded } from '../executions/changes.ts'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import type { Execution } from '../executions/execution.ts'
import { waitsForPlace, wake } from '../executions/transitions.ts'
import type { Step, Stored, Stores } from '../store/ports.ts'
import { type Admission, heldPlaces, type StateOf } from './admission.ts'
import { statesOf } from './admit-claims.ts'

export interface WakeOptions {
  readonly stores: Pick<Stores, 'executions' | 'admissions'>
  readonly changes: ExecutionChanges
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Wakes the execution that waits for an overlap place as soon as one is free: when an execution of a job whose policy lets one
 * wait has ended here, and when one has just begun to wait, since the end may have come between the look at the places and
 * the wait. When an execution of a backfill has ended here, the next ones of its job are woken for the places that are free then. A wake that
 * is lost is made up for by the next claim of the execution (`BELFRY_EXECUTOR_PLACE_RECHECK_MS`).
 */
export interface Wake {
  /** These have changed. */
  changed(stored: readonly Stored[], step: Step): void
  /** Resolves when no wake is under way. */
  stop(): Promise<void>
}

/** Jobs whose admissions are read at once. */
const mostJobs = 200
/** Ready executions of a job among which the next ones of its backfill are looked for. */
const mostReady = 50

/** A job of which an execution has ended, or begun to wait. `backfillLimit`: its overlap limit, where one of a backfill has ended; else 0. */
interface Freed {
  readonly jobId: string
  readonly backfillLimit: number
}

/** Its job may have an execution that waits. */
function letsOneWait({ policy: { overlap } }: Execution): boolean {
  return overlap.policy === 'queue' || overlap.policy === 'cancel-running'
}

/** Ids of those that may find a place now: the one that waits, once a place is free, and those that were given one while they waited. */
export function mayStart(admission: Admission, stateOf: StateOf): readonly string[] {
  const { places, waiting } = admission
  const isFree = heldPlaces(admission, stateOf).length < places.length
  return [...(isFree ? waiting : []), ...places.filter((id) => stateOf(id) === 'ready')]
}

/** The overlap limit of its job, where it is of a backfill and has ended, so that the next one may start; else 0. */
function backfillLimitOf(execution: Execution, step: Step): number {
  const { overlap } = execution.policy
  return execution.cause === 'backfill' && takesPlace(overlap) && hasEnded(execution, step) ? overlap.limit : 0
}

/** The backfill limit of each job. */
function limitsOf(batch: readonly Freed[]): ReadonlyMap<string, number> {
  const limits = new Map<string, number>()
  for (const { jobId, backfillLimit } of batch)
    if (backfillLimit > 0 || !limits.has(jobId)) limits.set(jobId, backfillLimit)
  return limits
}

export function createWake({ stores: { executions, admissions }, changes, clock, log }: WakeOptions): Wake {
  const underWay = new Set<Promise<void>>()
  const jobs = createBatcher<Freed>((batch) => {
    const work = wakeAll(limitsOf(batch)).finally(() => underWay.delete(work))
    underWay.add(work)
  })

  /** Never rejects. */
  async function wakeAll(limits: ReadonlyMap<string, number>): Promise<void> {
    const jobIds = [...limits.keys()]
    try {
      for (let at = 0; at < jobIds.length; at += mostJobs) await wakeSome(jobIds.slice(at, at + mostJobs), limits)
    } catch (err) {
      log.warn({ err, jobs: jobIds.length }, 'executions that wait for an overlap place could not be woken')
    }
  }

  async function wakeSome(jobIds: readonly string[], limits: ReadonlyMap<string, number>): Promise<void> {
    const found = (await admissions.read(jobIds)).filter((one) => one !== undefined)
    const stateOf = await statesOf(
      executions,
      found.flatMap(({ places }) => places),
    )
    const ids = found.flatMap((one) => mayStart(one, stateOf))
    const waiting = ids.length === 0 ? [] : (await executions.find(ids)).filter((one) => one !== undefined)
    for (const one of found) waiting.push(...(await nextOfBackfill(one, limits.get(one.jobId) ?? 0, stateOf)))
    if (waiting.length === 0) return
    const now = clock.now()
    const woken = changedOnes(await compareAndSet(executions, 'wake', waiting, (one) => wake(one, now), now))
    changes.publish(woken, 'wake')
  }

  /** Those that are first by fire time, one for each place that is free and that no other execution waits for. */
  async function nextOfBackfill(admission: Admission, limit: number, stateOf: StateOf): Promise<readonly Stored[]> {
    const free = limit - heldPlaces(admission, stateOf).length - admission.waiting.length
    if (free <= 0) return []
    const ready = await listReady(admission.jobId)
    return ready
      .filter(({ execution }) => execution.cause === 'backfill' && waitsForPlace(execution))
      .toSorted((a, b) => a.execution.fireAt - b.execution.fireAt)
      .slice(0, free)
  }

  /** One record that cannot be read holds up no other job. */
  async function listReady(jobId: string): Promise<readonly Stored[]> {
    try {
      return (await executions.listOpen(jobId, 'ready', null, mostReady)).rows
    } catch (err) {
      log.warn({ err, jobId }, 'the next executions of a backfill could not be read')
      return []
    }
  }

  return {
    changed(stored, step) {
      for (const { execution } of stored) {
        const backfillLimit = backfillLimitOf(execution, step)
        if (backfillLimit > 0 || (letsOneWait(execution) && (step === 'wait' || hasEnded(execution, step))))
          jobs.add({ jobId: execution.jobId, backfillLimit })
      }
    },
    async stop() {
      jobs.flush()
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}
