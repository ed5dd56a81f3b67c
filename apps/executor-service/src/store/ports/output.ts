import type { ExecutionState, logLevels } from '@belfry/contracts'
import type { RowId } from '@belfry/storage'
import type { CursorPage, PurgedPage } from './pages.ts'

export type LogLevel = (typeof logLevels)[number]

/** A line of an attempt's log; `seq` counts from 1 within the attempt. */
export interface LogEntry {
  readonly seq: number
  readonly at: number
  readonly level: LogLevel
  readonly text: string
}

/** Lines of one attempt that follow each other: one at least. `rowId` is the execution's. */
export interface LogChunk {
  readonly rowId: RowId
  readonly epoch: number
  readonly lines: readonly LogEntry[]
}

interface LogQuery {
  readonly after: { readonly epoch: number; readonly seq: number }
  /** Only the lines of this attempt; null for all. */
  readonly epoch: number | null
  readonly limit: number
}

/** As much of a stored chunk of a log as the retention asks about. `rowId` is the chunk's own. */
export interface LogChunkSummary {
  readonly rowId: RowId
  /** When its last line was written. */
  readonly at: number
  /** What has become of its execution, and when that last changed; null when the execution has been purged. */
  readonly execution: { readonly state: ExecutionState; readonly changedAt: number } | null
}

/** The logs of attempts, in chunks as they were appended. All verbs reject with a `StorageError`. */
export interface LogStore {
  /**
   * Stores chunks. A chunk is known by its execution, epoch and first line: appending it again changes nothing, and one with
   * more lines takes its place. So a caller whose append may not have counted appends the same lines again, and those that
   * came since with them.
   */
  append(chunks: readonly LogChunk[]): Promise<void>
  /** In order of attempt and line. */
  list(rowId: RowId, query: LogQuery): Promise<readonly (LogEntry & { readonly epoch: number })[]>
  /** Chunks from the one that was stored first, after `after`. */
  listOldest(after: RowId | null, limit: number): Promise<CursorPage<LogChunkSummary>>
  /** Answers how many went. */
  purgeMany(rowIds: readonly RowId[]): Promise<number>
}

/** A file of an attempt. `rowId` is the execution's. */
export interface ArtifactFile {
  readonly rowId: RowId
  readonly epoch: number
  readonly name: string
  readonly body: Uint8Array
}

/** The files of attempts. All verbs reject with a `StorageError`. */
export interface ArtifactStore {
  /** Stores them; one of the same attempt and name is replaced. */
  put(files: readonly ArtifactFile[]): Promise<void>
  read(rowId: RowId, epoch: number, name: string): Promise<Uint8Array | undefined>
  /** The one of this name by the attempt `epoch`, or else by the newest attempt before it that stored one. */
  readNewest(rowId: RowId, epoch: number, name: string): Promise<Uint8Array | undefined>
  /** Looks through the next `limit` files after `after` and removes those whose execution has been purged. */
  purgeOrphans(after: RowId | null, limit: number): Promise<PurgedPage>
}
