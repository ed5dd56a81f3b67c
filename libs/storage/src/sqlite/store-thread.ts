import { Worker } from 'node:worker_threads'
import type { Metrics } from '@belfry/service'
import { StorageError } from '../errors.ts'
import { createDatabase } from './database.ts'
import { createMeter } from './meter.ts'
import type { Database, Migration } from './port.ts'
import { createWorkerClient, type StoreCounters } from './worker-client.ts'
import type { ThreadSettings, WorkerDrain } from './worker-protocol.ts'

/** Sizes and times of a store thread; each has a default. */
export interface StoreThreadOptions {
  /** Crash point of the process, for proofs: the text of `BELFRY_CRASH_AT`. Default: none. */
  readonly crashAt?: string | null | undefined
  readonly metrics?: Metrics
  /** Called once when the thread dies by itself: the process can store nothing any more and should end. */
  readonly onFatal?: (error: StorageError) => void
  /** Rows that may wait for the thread before calls are refused with `overloaded`. Default 100,000. */
  readonly waitingRowsLimit?: number
  /** What the parameters of those rows may take up, bytes. Default 64 MiB. */
  readonly waitingBytesLimit?: number
  /** Rows after which a drain takes no further turn, so that one commit cannot hold up all others. Default 20,000. */
  readonly drainRowsLimit?: number
  /**
   * How long the opening of a file waits for another program that has it open, milliseconds. Default 1,000: a program that
   * copies the file may be about to end, a second Belfry is not. An open file is this process's alone.
   */
  readonly busyTimeoutMs?: number
  /** Pages of 4 KiB in the write-ahead log before it is moved into the file. Default 16,000. */
  readonly checkpointPages?: number
  /** Page cache of each file, KiB; filled as it is used. Default 65,536. */
  readonly cacheKib?: number
  /** JavaScript heap of the thread, MiB, beyond which it dies. Default: what Node gives a thread. */
  readonly heapMib?: number
}

/** One worker thread that holds SQLite files. */
export interface StoreThread {
  /**
   * Opens a file for this process alone, or creates it so that only its owner can read it, and brings its schema up to
   * date; `:memory:` is a database that goes when it is closed. Rejects with a `StorageError` (`locked` while another
   * process has it open, `schema-newer`, `disk-full`, `corrupt`, …).
   */
  open(path: string, migrations: readonly Migration[]): Promise<Database>
  readonly counters: Readonly<StoreCounters>
  /** CPU time of the thread so far, microseconds. */
  cpuUsage(): Promise<{ readonly user: number; readonly system: number }>
  /** Whether the thread keeps the process alive; it does by default. */
  keepAlive(yes: boolean): void
  /** Closes all databases and ends the thread; what was sent before is stored. May be called twice. */
  close(): Promise<void>
}

function threadSettings(options: StoreThreadOptions): ThreadSettings {
  const {
    crashAt,
    drainRowsLimit = 20_000,
    busyTimeoutMs = 1000,
    checkpointPages = 16_000,
    cacheKib = 65_536,
  } = options
  return { crashAt: crashAt ?? null, drainRowsLimit, file: { busyTimeoutMs, checkpointPages, cacheKib } }
}

const thread = new URL('./thread.ts', import.meta.url)

/** Starts the store thread. It sleeps until a message comes. */
export function openStoreThread(options: StoreThreadOptions = {}): StoreThread {
  const worker = new Worker(thread, {
    name: 'belfry-store',
    workerData: threadSettings(options),
    ...(options.heapMib && { resourceLimits: { maxOldGenerationSizeMb: options.heapMib } }),
  })
  const client = createWorkerClient((turn) => worker.postMessage(turn), {
    rows: options.waitingRowsLimit ?? 100_000,
    bytes: options.waitingBytesLimit ?? 64 * 1024 * 1024,
  })
  const databases = new Set<Database>()
  let files = 0
  let closing: Promise<void> | null = null
  let died = false

  function onDeath(reason: string): void {
    if (died) return
    died = true
    const error = new StorageError(closing ? 'closed' : 'failed', reason)
    client.end(error)
    if (!closing) options.onFatal?.(error)
  }
  const meter = options.metrics && createMeter(options.metrics, client.counters)
  worker.on('message', (drain: WorkerDrain) => {
    client.onAnswers(drain)
    meter?.(drain)
  })
  worker.on('error', (error) => onDeath(`the store thread failed: ${error instanceof Error ? error.message : error}`))
  worker.on('exit', () => onDeath('the store thread has ended'))

  async function closeAll(): Promise<void> {
    await Promise.allSettled([...databases].map((database) => database.close()))
    await worker.terminate()
  }

  return {
    async open(path, migrations) {
      if (closing) throw new StorageError('closed', 'the store thread is closed')
      const file = files++
      await client.ask(['open', file, path, migrations.map(({ name, sql }) => [name, sql] as const)], 0, 0)
      const database = createDatabase(file, client, (closed) => databases.delete(closed))
      databases.add(database)
      return database
    },
    counters: client.counters,
    cpuUsage: () => worker.cpuUsage(),
    keepAlive: (yes) => (yes ? worker.ref() : worker.unref()),
    close() {
      closing ??= closeAll()
      return closing
    },
  }
}
