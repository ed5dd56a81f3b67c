import { StorageError } from '@belfry/storage'
import type { Stores } from '../../src/store/ports.ts'

type StoreCall = (...args: unknown[]) => Promise<unknown>

/** The name of a call: store and verb, and the step of a compare-and-set: `executions.compareAndSetMany:claim`. */
function nameOf(store: string, verb: string, args: readonly unknown[]): string {
  return verb === 'compareAndSetMany' ? `${store}.${verb}:${args[0]}` : `${store}.${verb}`
}

/** The same stores, each call made by `make`. */
export function mapStores(
  stores: Stores,
  make: (name: string, call: () => Promise<unknown>) => Promise<unknown>,
): Stores {
  const mapped = Object.entries(stores).map(([store, verbs]) => {
    if (typeof verbs === 'function') return [store, verbs]
    const calls = Object.entries(verbs as Record<string, StoreCall>).map(([verb, call]) => {
      return [verb, (...args: unknown[]) => make(nameOf(store, verb, args), () => call(...args))]
    })
    return [store, Object.fromEntries(calls)]
  })
  return Object.fromEntries(mapped) as Stores
}

/** Which calls go wrong, and how: `unavailable` without the write, `outcome-unknown` after it. */
export interface Failures {
  code: 'unavailable' | 'outcome-unknown'
  readonly at: Set<string>
  /** Calls that went wrong. */
  count: number
}

/** The same stores, of which the calls in `failures.at` go wrong. */
export function failingStores(stores: Stores, failures: Failures): Stores {
  return mapStores(stores, async (name, call) => {
    if (!failures.at.has(name)) return call()
    failures.count += 1
    if (failures.code === 'outcome-unknown') await call()
    throw new StorageError(failures.code, `as the test wants it: ${name}`)
  })
}

/** The same stores, and whether a call is under way. */
export function watchedStores(stores: Stores): { stores: Stores; isIdle: () => boolean } {
  let open = 0
  const watched = mapStores(stores, async (_, call) => {
    open += 1
    try {
      return await call()
    } finally {
      open -= 1
    }
  })
  return { stores: watched, isIdle: () => open === 0 }
}
