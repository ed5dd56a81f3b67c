import type { Clock } from '@belfry/service'
import type { StoreThread } from '@belfry/storage/sqlite'
import type { Stores } from './ports.ts'

export interface OpenStoresOptions {
  /** The one thread of the process for its SQLite files. */
  readonly thread: StoreThread
  readonly clock: Clock
}

const adapters: Record<string, (location: string, options: OpenStoresOptions) => Promise<Stores>> = {
  async sqlite(file, { thread, clock }) {
    const { createSqliteStores, migrations } = await import('./sqlite/index.ts')
    return createSqliteStores(await thread.open(file, migrations), clock)
  },
}

/** Opens the stores at a URL such as `sqlite:/var/lib/belfry/scheduler.db`; its scheme chooses the adapter. */
export async function openStores(url: string, options: OpenStoresOptions): Promise<Stores> {
  const [scheme = '', ...rest] = url.split(':')
  const open = Object.hasOwn(adapters, scheme) ? adapters[scheme] : undefined
  if (!open) {
    const known = Object.keys(adapters).join(', ')
    throw new Error(`there is no store of scheduler-service for the scheme "${scheme}"; there are: ${known}`)
  }
  return open(rest.join(':'), options)
}
