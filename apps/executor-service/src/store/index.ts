import type { Clock, Logger, Metrics } from '@belfry/service'
import { openByScheme } from '@belfry/storage'
import type { StoreThread } from '@belfry/storage/sqlite'
import type { Stores } from './ports.ts'

export interface OpenStoresOptions {
  /** The thread that holds the process's SQLite files. */
  readonly thread: StoreThread
  readonly clock: Clock
  /** Rows that cannot be read are reported here, and counted. */
  readonly log: Logger
  readonly metrics: Metrics
}

/** Opens the stores at `url` (`sqlite:<path>`). Rejects with a `StorageError`, or for an unknown scheme. */
export function openStores(url: string, options: OpenStoresOptions): Promise<Stores> {
  return openByScheme<Stores>(url, {
    sqlite: async (path) => (await import('./sqlite/index.ts')).openSqliteStores(path, options),
  })
}
