import type { Clock, Logger, Metrics } from '@belfry/service'
import { createUnreadableReport } from '@belfry/storage'
import type { StoreThread } from '@belfry/storage/sqlite'
import type { Stores } from './ports.ts'

export interface OpenStoresOptions {
  /** The one thread of the process for its SQLite files. */
  readonly thread: StoreThread
  readonly clock: Clock
  /** Rows that cannot be read are reported here, and counted. */
  readonly log: Logger
  readonly metrics: Metrics
}

const adapters: Record<string, (location: string, options: OpenStoresOptions) => Promise<Stores>> = {
  async sqlite(file, { thread, clock, log, metrics }) {
    const { createSqliteStores, migrations } = await import('./sqlite/index.ts')
    return createSqliteStores(await thread.open(file, migrations), clock, createUnreadableReport(log, metrics))
  },
}

/** Opens the stores at a URL such as `sqlite:/var/lib/belfry/executor.db`; its scheme chooses the adapter. */
export async function openStores(url: string, options: OpenStoresOptions): Promise<Stores> {
  const [scheme = '', ...rest] = url.split(':')
  const open = Object.hasOwn(adapters, scheme) ? adapters[scheme] : undefined
  if (!open) {
    const known = Object.keys(adapters).join(', ')
    throw new Error(`there is no store of executor-service for the scheme "${scheme}"; there are: ${known}`)
  }
  return open(rest.join(':'), options)
}
