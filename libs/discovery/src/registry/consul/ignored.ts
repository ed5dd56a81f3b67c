import type { ServiceName } from '@belfry/contracts'
import type { Logger, Metrics } from '@belfry/service'

/** Instances that are remembered as logged; beyond it all are forgotten, and logged once more. */
const mostLogged = 1_000

/** Counts and logs what Consul lists and the registry does not take: each instance once. */
export function createIgnored(
  log: Logger,
  metrics: Metrics,
): (service: ServiceName, raw: unknown, why: string) => void {
  const counted = metrics.counter(
    'belfry_registry_ignored_instances_total',
    'Instances in Consul that are not taken: malformed, or without a valid signature',
    ['of'],
  )
  const logged = new Set<string>()
  return (service, raw, why) => {
    const id = String((raw as { Service?: { ID?: unknown } } | null)?.Service?.ID ?? '').slice(0, 100)
    const key = `${service} ${id} ${why}`
    if (logged.has(key)) return
    if (logged.size >= mostLogged) logged.clear()
    logged.add(key)
    counted.inc({ of: service })
    log.warn({ of: service, instance: id }, `an instance in Consul is ignored: ${why}`)
  }
}
