import { type Clock, type Logger, nextTurnAt } from '@belfry/service'
import type { ExecutionChanges } from '../executions/changes.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { ExecutorRow, PageBounds, Stores } from '../store/ports.ts'
import type { Identity } from './identity.ts'
import { loseAll } from './loss.ts'
import { createSightings } from './sightings.ts'

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

/**
 * Gives back a page of running executions of these owners; answers whether there may be more. They are gone, so all that is added
 * is what they sent before. Two executors may do it at once: each execution is given back by one of them.
 */
async function giveBackPage(
  owners: readonly string[],
  { stores, clock, log, metrics, page, changes }: Omit<RescueOptions, 'leaseMs'>,
  inDoubt: boolean,
): Promise<boolean> {
  if (owners.length === 0) return false
  const { rows, hasMore } = await stores.executions.listRunningOf(owners, page)
  if (rows.length > 0) {
    const given = await loseAll(stores.executions, rows, clock.now(), inDoubt)
    if (given.length > 0)
      log.warn({ executions: given.length }, 'executions of an executor that is gone are given back')
    metrics.leasesExpired(given.length)
    changes.publish(given, 'lose')
  }
  // A page of rows that all cannot be read would come again for ever.
  return hasMore && rows.length > 0
}

/**
 * Standalone, at the start: the lock on the data folder proves that no other process is at work, so every other executor is
 * gone at once, and nothing of theirs is in doubt (docs/protocol.md step 11).
 */
export async function takeOver(options: Omit<RescueOptions, 'leaseMs'>): Promise<void> {
  const { stores, identity } = options
  await stores.executors.removeOthers(identity.name)
  const owners = await stores.executions.listRunningOwners()
  const others = owners.filter((owner) => owner !== identity.name)
  while (await giveBackPage(others, options, false)) {}
}

export interface Rescue {
  /** Answers true when there is more to give back at once. */
  runOnce(): Promise<boolean>
  /** This executor's index among those that are alive, by the last iteration. */
  share(): { readonly index: number; readonly instances: number }
}

/** How long the record of an executor that is gone is kept after it was first seen so: nothing needs it, a reader may. */
const goneKeptMs = 600_000
/** Records that are removed at a time. */
const mostRemoved = 100

/**
 * How often the owners of all running executions are read, for those of executors that others have marked as gone, or that
 * have no record: a look at the few records of executors costs less.
 */
const searchesPerLease = 4

/** One iteration of the rescue (docs/protocol.md step 13), never of itself. */
export function createRescue(options: RescueOptions): Rescue {
  const { stores, clock, log, identity, leaseMs } = options
  const findSilent = createSightings(leaseMs)
  /** Names of executors that are gone and may have executions that run. */
  const lost = new Set<string>()
  let searchAt = Number.NEGATIVE_INFINITY
  let goneSince = new Map<string, number>()
  let share = { index: 0, instances: 1 }

  /**
   * What is still running under a name without a record is given back as under one that is gone. So it does not matter
   * whether such a record is there, and one that beats again finds itself without.
   */
  async function removeGone(rows: readonly ExecutorRow[]): Promise<void> {
    const now = clock.monotonic()
    goneSince = new Map(
      rows.filter(({ gone }) => gone).map(({ instance }) => [instance, goneSince.get(instance) ?? now]),
    )
    const old = [...goneSince].filter(([, since]) => now - since >= goneKeptMs).slice(0, mostRemoved)
    for (const [instance] of old) await stores.executors.remove(instance)
  }

  return {
    share: () => share,
    async runOnce() {
      const startedAt = clock.monotonic()
      const isSearch = startedAt >= searchAt
      if (isSearch) searchAt = nextTurnAt(startedAt, leaseMs / searchesPerLease)
      // Owners first: an executor makes its record before it claims, so the record of each owner that is alive is there
      // when the executors are read. The other way round, one that enlists between the two reads would count as gone.
      const owners = isSearch ? await stores.executions.listRunningOwners() : []
      const sentAt = clock.monotonic()
      const rows = await stores.executors.list()
      const alive = new Set(rows.filter((one) => !one.gone).map((one) => one.instance))
      share = { index: Math.max(0, [...alive].sort().indexOf(identity.name)), instances: Math.max(1, alive.size) }
      for (const owner of owners) if (!alive.has(owner)) lost.add(owner)
      for (const row of findSilent({ sentAt, answeredAt: clock.monotonic(), rows })) {
        if (row.instance === identity.name || !(await stores.executors.markGone(row))) continue
        lost.add(row.instance)
        log.warn({ executor: row.instance }, 'an executor is gone')
      }
      const isMore = await giveBackPage([...lost], options, true)
      if (!isMore) lost.clear()
      await removeGone(rows)
      return isMore
    },
  }
}
