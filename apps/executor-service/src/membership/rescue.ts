import type { Clock, Logger } from '@belfry/service'
import type { ExecutionChanges } from '../executions/changes.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { ExecutorRow, PageBounds, Stores } from '../store/ports.ts'
import type { Identity } from './identity.ts'
import { loseAll } from './loss.ts'

export interface RescueOptions {
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly identity: Pick<Identity, 'name'>
  /** How long an executor may give no sign of life, milliseconds on this machine's monotonic clock. */
  readonly leaseMs: number
  /** Executions that are given back at once. */
  readonly page: PageBounds
  readonly changes: ExecutionChanges
}

/** Gives back all running executions of these owners. They are gone, so nothing is added meanwhile. */
async function giveBackAll(
  owners: readonly string[],
  { stores, clock, log, metrics, page, changes }: Omit<RescueOptions, 'leaseMs'>,
  inDoubt: boolean,
): Promise<void> {
  while (owners.length > 0) {
    const { rows, hasMore } = await stores.executions.listRunningOf(owners, page)
    if (rows.length > 0) {
      const given = await loseAll(stores.executions, rows, clock.now(), inDoubt)
      log.warn({ executions: given.length }, 'executions of an executor that is gone are given back')
      metrics.leasesExpired(given.length)
      changes.publish(given, 'lose')
    }
    // A page of rows that all cannot be read would come again for ever.
    if (!hasMore || rows.length === 0) return
  }
}

/**
 * Standalone, at the start: the lock on the data folder proves that no other process is at work, so every other executor is
 * gone at once, and nothing of theirs is in doubt (protocol.md step 11).
 */
export async function takeOver(options: Omit<RescueOptions, 'leaseMs'>): Promise<void> {
  const { stores, identity } = options
  await stores.executors.removeOthers(identity.name)
  const owners = await stores.executions.listRunningOwners()
  await giveBackAll(
    owners.filter((owner) => owner !== identity.name),
    options,
    false,
  )
}

export interface Rescue {
  runOnce(): Promise<void>
  /** This executor's index among those that are alive, by the last iteration. */
  share(): { readonly index: number; readonly instances: number }
}

interface Sighting {
  readonly beat: number
  readonly since: number
}

/**
 * One iteration of the rescue (protocol.md step 13), never of itself. An executor is gone when its beat has not changed for a
 * lease, over reads that succeeded and were at most a third of a lease apart: an executor that was asleep for longer knows nothing.
 */
export function createRescue(options: RescueOptions): Rescue {
  const { stores, clock, log, identity, leaseMs } = options
  let sightings = new Map<string, Sighting>()
  let lastReadAt = Number.NEGATIVE_INFINITY
  let share = { index: 0, instances: 1 }

  /** Notes what was read, and answers which executors have been silent for too long. */
  function findSilent(rows: readonly ExecutorRow[], now: number): ExecutorRow[] {
    const isGap = now - lastReadAt > leaseMs / 3
    lastReadAt = now
    const before = isGap ? new Map<string, Sighting>() : sightings
    sightings = new Map()
    const silent: ExecutorRow[] = []
    for (const row of rows) {
      if (row.gone || row.instance === identity.name) continue
      const known = before.get(row.instance)
      const sighting = known?.beat === row.beat ? known : { beat: row.beat, since: now }
      sightings.set(row.instance, sighting)
      if (now - sighting.since >= leaseMs) silent.push(row)
    }
    return silent
  }

  return {
    share: () => share,
    async runOnce() {
      // Owners first: an executor makes its record before it claims, so the record of each owner that is alive is there
      // when the executors are read. The other way round, one that enlists between the two reads would count as gone.
      const owners = await stores.executions.listRunningOwners()
      const rows = await stores.executors.list()
      const alive = new Set(rows.filter((one) => !one.gone).map((one) => one.instance))
      share = { index: Math.max(0, [...alive].sort().indexOf(identity.name)), instances: Math.max(1, alive.size) }
      for (const row of findSilent(rows, clock.monotonic())) {
        if (!(await stores.executors.markGone(row))) continue
        alive.delete(row.instance)
        log.warn({ executor: row.instance }, 'an executor is gone')
      }
      await giveBackAll(
        owners.filter((owner) => !alive.has(owner)),
        options,
        true,
      )
    },
  }
}
