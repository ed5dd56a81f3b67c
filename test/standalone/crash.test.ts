import { describe, it } from 'vitest'
import { dieAtWork } from '../../proof/crash/run.ts'

/** One place in each of two services; `npm run proof:crash` kills it at every durable step. */
describe.concurrent('a Belfry that is killed while it works', () => {
  it.each(['schedules.insert:after#3', 'executions.finish:before#5'])(
    'loses nothing and repeats nothing that had finished: %s',
    (point) => dieAtWork(point),
    60_000,
  )
})
