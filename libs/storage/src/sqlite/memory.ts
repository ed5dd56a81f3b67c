import type { Database, Migration } from './port.ts'
import { openStoreThread, type StoreThread } from './store-thread.ts'

let shared: StoreThread | null = null
let open = 0

/**
 * A database in memory, for the tests of a store: the same thread and the same code as a file. All of a process share
 * one thread, so opening and closing one costs about a millisecond; it ends with the process.
 */
export async function openMemoryDatabase(migrations: readonly Migration[]): Promise<Database> {
  shared ??= openStoreThread({ cacheKib: 2048 })
  const thread = shared
  hold(thread, 1)
  try {
    const database = await thread.open(':memory:', migrations)
    let closed: Promise<void> | null = null
    return {
      ...database,
      close() {
        closed ??= database.close().finally(() => hold(thread, -1))
        return closed
      },
    }
  } catch (error) {
    hold(thread, -1)
    throw error
  }
}

/** The thread keeps the process alive only while one of its databases is open. */
function hold(thread: StoreThread, change: number): void {
  open += change
  thread.keepAlive(open > 0)
}
