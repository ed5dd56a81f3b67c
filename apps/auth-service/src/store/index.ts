import { type OpenStoresOptions, openByScheme } from '@belfry/storage'
import type { Stores } from './ports.ts'

/** Opens the stores at `url` (`sqlite:<path>`, `mongodb://…`). Rejects with a `StorageError`, or for an unknown scheme. */
export function openStores(url: string, options: OpenStoresOptions): Promise<Stores> {
  const openMongo = async () => (await import('./mongo/index.ts')).openMongoStores(url, options)
  return openByScheme<Stores>(url, {
    sqlite: async (path) => (await import('./sqlite/index.ts')).openSqliteStores(path, options),
    mongodb: openMongo,
    'mongodb+srv': openMongo,
  })
}
