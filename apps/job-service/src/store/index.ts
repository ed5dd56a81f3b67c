import { openByScheme } from '@belfry/storage'
import type { Stores } from './ports.ts'
import type { SqliteOptions } from './sqlite/index.ts'

/** What the adapters take; each one uses what it needs. */
export type StoreOptions = SqliteOptions

/** Opens the stores of job-service by the scheme of the URL: `sqlite:<path>`. */
export function openStores(url: string, options: StoreOptions): Promise<Stores> {
  return openByScheme(url, {
    sqlite: async (path) => (await import('./sqlite/index.ts')).openSqliteStores(path, options),
  })
}
