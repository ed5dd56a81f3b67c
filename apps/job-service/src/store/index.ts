import { type OpenStoresOptions, openByScheme } from '@belfry/storage'
import type { Stores } from './ports.ts'

/** Opens the stores of job-service by the scheme of the URL: `sqlite:<path>`, `mongodb://…` or `mongodb+srv://…`. */
export function openStores(url: string, options: OpenStoresOptions): Promise<Stores> {
  const mongo = async (_location: string, whole: string) =>
    (await import('./mongo/index.ts')).openMongoStores(whole, options)
  return openByScheme(url, {
    sqlite: async (path) => (await import('./sqlite/index.ts')).openSqliteStores(path, options),
    mongodb: mongo,
    'mongodb+srv': mongo,
  })
}
