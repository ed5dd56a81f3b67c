import type { Clock, Logger, Metrics } from '@belfry/service'
import type { StoreThread } from './sqlite/store-thread.ts'

/** What a process gives to the stores that it opens; each adapter uses what it needs. */
export interface OpenStoresOptions {
  /** Gives the thread that holds the process's SQLite files. Only the adapter of SQLite calls it: others need no thread. */
  readonly thread: () => StoreThread
  readonly clock: Clock
  /** Rows that cannot be read are reported here, and counted. */
  readonly log: Logger
  readonly metrics: Metrics
  /** Crash point of the process, for proofs: the text of `BELFRY_CRASH_AT`. The store thread has its own. */
  readonly crashAt?: string | null | undefined
}

/** Opens the stores of one service; `location` is the URL without its scheme, `url` all of it. */
export type StoreAdapter<Stores> = (location: string, url: string) => Promise<Stores>

/**
 * Opens stores with the adapter of the URL's scheme (`sqlite:/data/jobs.db`). An adapter imports its technology when it is
 * called, so a process loads no other one. Rejects for an unknown scheme, and names the schemes there are; a URL may hold a
 * password, so no message shows it.
 */
export async function openByScheme<Stores>(
  url: string,
  adapters: Readonly<Record<string, StoreAdapter<Stores>>>,
): Promise<Stores> {
  const colon = url.indexOf(':')
  const scheme = url.slice(0, Math.max(0, colon))
  const open = Object.hasOwn(adapters, scheme) ? adapters[scheme] : undefined
  if (open) return open(url.slice(colon + 1), url)
  const known = Object.keys(adapters).map((name) => `${name}:`)
  throw new Error(`no store has the scheme "${scheme}:"; there are ${known.join(', ')}`)
}
