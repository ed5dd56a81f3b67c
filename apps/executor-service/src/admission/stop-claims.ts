import { isRefusal, type Refusal } from '@belfry/contracts'
import type { ExecutionChanges } from '../executions/changes.ts'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import { type Execution, isOwnedBy } from '../executions/execution.ts'
import { close, requestCancel, skip, wait } from '../executions/transitions.ts'
import type { ExecutionStore, Stored } from '../store/ports.ts'

/**
 * Why a claim must not start, by the durable step that it takes instead. `turn`: after how many of the waits for an overlap place one
 * that waits is claimed again, from 1.
 */
export type Stop =
  | { readonly step: 'close'; readonly by: 'cancelled' | 'superseded' }
  | { readonly step: 'skip' | 'wait'; readonly blockedBy: string; readonly turn: number }

const steps: readonly Stop['step'][] = ['close', 'skip', 'wait']

export interface StopClaimsOptions {
  readonly executions: ExecutionStore
  readonly changes: ExecutionChanges
  /** How long an execution waits for an overlap place until it is claimed again, milliseconds. */
  readonly placeRecheckMs: number
}

/** What becomes of the claim `epoch` that must not start. */
export function stopped(
  execution: Execution,
  epoch: number,
  stop: Stop,
  at: number,
  placeRecheckMs: number,
): Execution | Refusal {
  // It was stopped by this very stop, whose answer was lost, or another executor has it: its handler may be at work.
  if (!isOwnedBy(execution, epoch)) return execution
  if (stop.step === 'close') return close(execution, stop.by, at)
  const { blockedBy, turn } = stop
  if (stop.step === 'skip') return skip(execution, blockedBy, at)
  return wait(execution, { epoch, blockedBy, at, until: at + placeRecheckMs * turn })
}

/** Stores what becomes of claims that must not start, and answers their records. */
export async function stopClaims(
  { executions, changes, placeRecheckMs }: StopClaimsOptions,
  stops: ReadonlyMap<Stored, Stop>,
  at: number,
): Promise<Stored[]> {
  const done: Stored[] = []
  for (const step of steps) {
    const some = [...stops].filter(([, stop]) => stop.step === step)
    if (some.length === 0) continue
    const claims = some.map(([claim]) => claim)
    const epochs = claims.map(({ execution }) => execution.epoch)
    const decide = (execution: Execution, index: number) =>
      stopped(execution, epochs[index] ?? 0, (some[index] as (typeof some)[number])[1], at, placeRecheckMs)
    const changed = await compareAndSet(executions, step, claims, decide, at)
    changes.publish(changedOnes(changed), step)
    for (const one of changed) {
      if (isRefusal(one)) throw new Error(one.detail)
      done.push(one.stored)
    }
  }
  return done
}

/**
 * Asks the executions of these ids to end, since another one takes their overlap place (docs/jobs.md, "Overlap"): one that
 * waits ends at once. Answers those whose cancel this call has stored.
 */
export async function cancelAll(
  { executions, changes }: Pick<StopClaimsOptions, 'executions' | 'changes'>,
  ids: readonly string[],
  at: number,
): Promise<Stored[]> {
  if (ids.length === 0) return []
  const found = (await executions.find(ids)).filter((one) => one !== undefined)
  const asked = changedOnes(await compareAndSet(executions, 'cancel', found, (one) => requestCancel(one, at), at))
  changes.publish(asked, 'cancel')
  return asked
}
