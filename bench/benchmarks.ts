import { burst } from './burst.ts'
import { client } from './client.ts'
import { crons } from './crons.ts'
import { distributedBurst } from './distributed-burst.ts'
import { distributedLateness } from './distributed-lateness.ts'
import { distributedTriggers } from './distributed-triggers.ts'
import { g1, g2 } from './gateway.ts'
import { handlers } from './handlers.ts'
import { idle } from './idle.ts'
import { intake } from './intake.ts'
import { lateness } from './lateness.ts'
import { neighbour } from './neighbour.ts'
import { path } from './path.ts'
import { ready } from './ready.ts'
import type { Benchmark } from './report.ts'
import { rolling } from './rolling.ts'
import { stored } from './stored.ts'
import { takeover } from './takeover.ts'
import { p3, p5, p6 } from './throughput.ts'
import { triggers } from './triggers.ts'

/** Each benchmark by the name that `npm run bench` takes. */
export const benchmarks: Record<string, Benchmark> = {
  lateness,
  handlers,
  crons,
  triggers,
  burst,
  idle,
  intake,
  client,
  neighbour,
  g1,
  g2,
  p3,
  p5,
  p6,
  stored,
  ready,
  path,
  // Distributed: they need the servers of BELFRY_TEST_*.
  'distributed-lateness': distributedLateness,
  'distributed-triggers': distributedTriggers,
  'distributed-burst': distributedBurst,
  takeover,
  rolling,
}
