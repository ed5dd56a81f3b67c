export interface ExecutorRow {
  readonly instance: string
  readonly beat: number
  readonly gone: boolean
}

/** The executors, one record each. A beat never brings back one that is gone. All verbs reject with a `StorageError`. */
export interface ExecutorStore {
  /** Makes the record of this instance; one that is there already stays as it is. */
  enlist(instance: string, address: string | null): Promise<void>
  /** False when there is no record, or it is marked as gone: another executor has taken over. */
  beat(instance: string): Promise<boolean>
  list(): Promise<readonly ExecutorRow[]>
  /** False when it has beaten since. */
  markGone(row: ExecutorRow): Promise<boolean>
  /** Removes every record but this instance's: for a store that no other process can have open. */
  removeOthers(instance: string): Promise<void>
  remove(instance: string): Promise<void>
}
