import type { Clock } from './clock.ts'
import type { Health } from './health.ts'
import type { Ids } from './ids.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

/** What every service is handed; each adds its own adapters and configuration. */
export interface ServiceDeps {
  readonly clock: Clock
  /** Already bound to the service. */
  readonly log: Logger
  /** Already bound to the service. */
  readonly metrics: Metrics
  readonly health: Health
  readonly ids: Ids
}
