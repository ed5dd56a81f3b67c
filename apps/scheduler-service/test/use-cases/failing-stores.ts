import { StorageError } from '@belfry/storage'
import type { Stores } from '../../src/index.ts'

/**
 * What becomes of one call of a store: `unavailable` writes nothing; `outcome-unknown` writes all, some or none of it, and
 * the answer is lost.
 */
export type Failure = 'unavailable' | { readonly lost: 'all' | 'some' | 'none' } | null

/** Decides on the next call of a verb, such as `schedules.compareAndSetMany`. */
export type FailurePlan = (verb: string) => Failure

export interface FailureControl {
  plan: FailurePlan
  /** Calls that failed. */
  failed: number
}

type Verb = (...args: unknown[]) => Promise<unknown>

/** Half of the records of a verb that writes many, as a database does that loses its connection in between. */
function someOf(args: readonly unknown[]): unknown[] {
  return args.map((arg) => (Array.isArray(arg) ? arg.filter((_, index) => index % 2 === 0) : arg))
}

function failing<T extends object>(name: string, store: T, control: FailureControl): T {
  const wrapped = Object.entries(store).map(([verb, call]) => {
    const wrapper: Verb = async (...args) => {
      const failure = control.plan(`${name}.${verb}`)
      if (failure === null) return (call as Verb)(...args)
      control.failed += 1
      if (failure === 'unavailable') throw new StorageError('unavailable', 'the database cannot be reached')
      if (failure.lost !== 'none') await (call as Verb)(...(failure.lost === 'some' ? someOf(args) : args))
      throw new StorageError('outcome-unknown', 'the answer was lost')
    }
    return [verb, wrapper]
  })
  return Object.fromEntries(wrapped) as T
}

/** The stores with failures as `control.plan` gives them. */
export function createFailingStores(stores: Stores, control: FailureControl): Stores {
  return {
    schedules: failing('schedules', stores.schedules, control),
    fireLog: failing('fireLog', stores.fireLog, control),
    cursors: failing('cursors', stores.cursors, control),
    poison: stores.poison,
    close: stores.close,
  }
}

/** Fails the next call of one verb, and no other. */
export function failOnce(verb: string, failure: Failure): FailurePlan {
  let isLeft = true
  return (called) => {
    if (called !== verb || !isLeft) return null
    isLeft = false
    return failure
  }
}

/** Fails about one call in `each`, the same ones for the same seed. */
export function failOften(seed: number, each: number): FailurePlan {
  let state = seed
  const next = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  const failures: Failure[] = ['unavailable', { lost: 'all' }, { lost: 'some' }, { lost: 'none' }]
  return () => (next(each) === 0 ? (failures[next(failures.length)] ?? null) : null)
}
