import { type ExecutionState, isEnded } from '@belfry/contracts'
import { type Clock, createBatcher, type Logger } from '@belfry/service'
import { type ExecutionChanges, hasEnded } from '../executions/changes.ts'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import type { Execution } from '../executions/execution.ts'
import { wake } from '../executions/transitions.ts'
import type { Step, Stored, Stores } from '../store/ports.ts'
import type { Admission } from './admission.ts'

export interface WakeOptions {
  readonly stores: Pick<Stores, 'executions' | 'admissions'>
  readonly changes: ExecutionChanges
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Wakes the execution that waits for an overlap place as soon as one is free: when an execution of a job whose policy lets one
 * wait has ended here, and when one has just begun to wait, since the end may have come between the look at the places and
 * the wait. A wake that is lost is made up for by the next claim of the execution (`BELFRY_EXECUTOR_PLACE_RECHECK_MS`).
 */
export interface Wake {
  /** These have changed. */
  changed(stored: readonly Stored[], step: Step): void
  /** Resolves when no wake is under way. */
  stop(): Promise<void>
}

/** Jobs whose admissions are read at once. */
const mostJobs = 200

/** Its job may have an execution that waits. */
function letsOneWait({ policy: { overlap } }: Execution): boolean {
  return overlap.policy === 'queue' || overlap.policy === 'cancel-running'
}

/** Ids of those that may find a place now: the one that waits, once a place is free, and those that were given one while they waited. */
export function mayStart(
  { places, waiting }: Admission,
  stateOf: (id: string) => ExecutionState | undefined,
): readonly string[] {
  const isFree = places.some((id) => isEnded(stateOf(id) ?? 'cancelled'))
  return [...(isFree ? waiting : []), ...places.filter((id) => stateOf(id) === 'ready')]
}

export function createWake({ stores: { executions, admissions }, changes, clock, log }: WakeOptions): Wake {
  const underWay = new Set<Promise<void>>()
  const jobs = createBatcher<string>((batch) => {
    const work = wakeAll([...new Set(batch)]).finally(() => underWay.delete(work))
    underWay.add(work)
  })

  /** Never rejects. */
  async function wakeAll(jobIds: readonly string[]): Promise<void> {
    try {
      for (let at = 0; at < jobIds.length; at += mostJobs) await wakeSome(jobIds.slice(at, at + mostJobs))
    } catch (err) {
      log.warn({ err, jobs: jobIds.length }, 'executions that wait for an overlap place could not be woken')
    }
  }

  async function wakeSome(jobIds: readonly string[]): Promise<void> {
    const found = (await admissions.read(jobIds)).filter((one) => one !== undefined)
    const stateOf = await statesOf(found.flatMap(({ places }) => places))
    const ids = found.flatMap((one) => mayStart(one, stateOf))
    if (ids.length === 0) return
    const waiting = (await executions.find(ids)).filter((one) => one !== undefined)
    const now = clock.now()
    const woken = changedOnes(await compareAndSet(executions, 'wake', waiting, (one) => wake(one, now), now))
    changes.publish(woken, 'wake')
  }

  async function statesOf(ids: readonly string[]): Promise<(id: string) => ExecutionState | undefined> {
    const states = ids.length === 0 ? [] : await executions.readStates(ids)
    const byId = new Map(ids.map((id, index) => [id, states[index]]))
    return (id) => byId.get(id)
  }

  return {
    changed(stored, step) {
      for (const { execution } of stored) {
        if (letsOneWait(execution) && (step === 'wait' || hasEnded(execution, step))) jobs.add(execution.jobId)
      }
    },
    async stop() {
      jobs.flush()
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}
