import { serveSeeds } from './serve-seeds.ts'
import type { SimulatedStores } from './world.ts'

type List = SimulatedStores['executions']['executors']['list']

const withList =
  (list: List) =>
  (stores: SimulatedStores): SimulatedStores => ({
    ...stores,
    executions: { ...stores.executions, executors: { ...stores.executions.executors, list } },
  })

/** How the world of a seed breaks; every other seed has a whole one. */
const breaks = new Map<number, (stores: SimulatedStores) => SimulatedStores>([
  [
    1,
    () => {
      throw new Error('this world cannot begin')
    },
  ],
  [
    2,
    withList(async () => {
      void Promise.reject(new Error('nothing waits for this'))
      return []
    }),
  ],
  [
    3,
    withList(() => {
      for (;;);
    }),
  ],
  [4, withList(() => process.exit(1))],
])

/** A thread for the test of the campaign: some of its worlds break it. */
serveSeeds((seed) => {
  const wrapStores = breaks.get(seed)
  return wrapStores ? { wrapStores } : {}
})
