import { type OpenStoresOptions, openByScheme } from '@belfry/storage'
import type { Stores } from './ports.ts'

/** Opens the stores of job-service by the scheme of the URL: `sqlite:<path>`. */
export function openStores(url: string, options: OpenStoresOptions): Promise<Stores> {
  return openByScheme(url, {
    sqlite: async (path) => (await import('./sqlite/index.ts')).openSqliteStores(path, options),
  })
}
