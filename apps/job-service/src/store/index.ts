import type { Stores } from './ports.ts'
import type { SqliteOptions } from './sqlite/index.ts'

/** What the adapters take; each one only what it needs. */
export type StoreOptions = SqliteOptions

/** Opens the stores of job-service by the scheme of the URL: `sqlite:<path>`. Only the adapter of that scheme is loaded. */
export async function openStores(url: string, options: StoreOptions): Promise<Stores> {
  const [scheme = ''] = url.split(':', 1)
  if (scheme !== 'sqlite') throw new Error(`job-service has no store for "${scheme}:"; there is "sqlite:<path>"`)
  const { openSqliteStores } = await import('./sqlite/index.ts')
  return openSqliteStores(url.slice(scheme.length + 1), options)
}
