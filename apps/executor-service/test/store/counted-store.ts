import type { Stores } from '../../src/store/ports.ts'

/** Counts the calls of one verb of the store. `onCall`: before each of them. */
export function countedStore(verb: 'listDue' | 'listDueOfTypes' | 'listExpired', onCall: () => void = () => undefined) {
  const counts = { calls: 0 }
  const wrapStores = (stores: Stores): Stores => {
    const call = stores.executions[verb] as (...args: unknown[]) => unknown
    const counting = (...args: unknown[]) => {
      counts.calls += 1
      onCall()
      return call(...args)
    }
    return { ...stores, executions: { ...stores.executions, [verb]: counting } }
  }
  return { counts, wrapStores }
}
