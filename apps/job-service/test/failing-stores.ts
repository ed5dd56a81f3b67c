import { StorageError } from '@belfry/storage'
import type { Stores } from '../src/store/ports.ts'

/**
 * How a call fails: nothing is written (`unavailable`), or the answer is lost, after the write or before it
 * (`outcome-unknown`).
 */
export type Failure = 'unavailable' | 'lost after the write' | 'lost before the write'

export type StoreName = 'jobs' | 'executions' | 'requests' | 'cursors'

/** Stores of which a test makes some calls fail. */
export function createFailingStores() {
  const planned = new Map<string, Failure[]>()

  const failing = <S extends object>(name: StoreName, store: S): S => {
    const verbs = Object.entries(store).map(([verb, method]) => {
      if (verb === 'isPosition') return [verb, method]
      const call = async (...args: unknown[]) => {
        const failure = planned.get(`${name}.${verb}`)?.shift()
        if (failure === 'unavailable') throw new StorageError('unavailable', 'the database cannot be reached')
        if (failure !== 'lost before the write') {
          const answer = await method(...args)
          if (!failure) return answer
        }
        throw new StorageError('outcome-unknown', 'the answer of the database was lost')
      }
      return [verb, call]
    })
    return Object.fromEntries(verbs) as S
  }

  return {
    /** The next calls of a verb fail like this, one after the other. */
    fail(store: StoreName, verb: string, ...failures: Failure[]) {
      planned.set(`${store}.${verb}`, failures)
    },
    wrap: (stores: Stores): Stores => ({
      ...stores,
      jobs: failing('jobs', stores.jobs),
      executions: failing('executions', stores.executions),
      requests: failing('requests', stores.requests),
      cursors: failing('cursors', stores.cursors),
    }),
  }
}
