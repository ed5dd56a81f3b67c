import { openByScheme } from '@belfry/storage'
import type { Stores } from './ports.ts'
import type { SqliteOptions } from './sqlite/index.ts'

/** What the adapters take; each one only what it needs. */
export type OpenStoresOptions = SqliteOptions

/** Opens the stores at `url` (`sqlite:<path>`). Rejects with a `StorageError`, or for an unknown scheme. */
export function openStores(url: string, options: OpenStoresOptions): Promise<Stores> {
  return openByScheme<Stores>(url, {
    sqlite: async (path) => (await import('./sqlite/index.ts')).openSqliteStores(path, options),
  })
}
