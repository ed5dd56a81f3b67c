import { StorageError, type StorageErrorCode } from '../errors.ts'

/** SQLite's primary result codes (sqlite.org/rescode.html) that mean more than "this statement was wrong". */
const codes: Record<number, StorageErrorCode> = {
  5: 'locked', // SQLITE_BUSY
  6: 'locked', // SQLITE_LOCKED
  7: 'failed', // SQLITE_NOMEM
  8: 'failed', // SQLITE_READONLY
  9: 'failed', // SQLITE_INTERRUPT
  10: 'failed', // SQLITE_IOERR
  11: 'corrupt', // SQLITE_CORRUPT
  13: 'disk-full', // SQLITE_FULL
  14: 'failed', // SQLITE_CANTOPEN
  15: 'locked', // SQLITE_PROTOCOL
  26: 'corrupt', // SQLITE_NOTADB
}
const constraint = 19
/** Growing the shared-memory file failed, which in practice is a full disk. */
const sharedMemorySize = 4874

/** SQLite's extended result code of an error that node:sqlite threw, else null. */
function resultCode(error: unknown): number | null {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : null
  return typeof code === 'number' ? code : null
}

function codeOf(error: unknown): StorageErrorCode {
  const result = resultCode(error)
  const noSpace = error instanceof Error && 'code' in error && error.code === 'ENOSPC'
  if (noSpace || result === sharedMemorySize) return 'disk-full'
  const primary = (result ?? 1) & 0xff
  return primary === constraint ? 'constraint' : (codes[primary] ?? 'failed')
}

/** The same error as a `StorageError`; one that is one already stays as it is. */
export function asStorageError(error: unknown): StorageError {
  if (error instanceof StorageError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new StorageError(codeOf(error), message, { cause: error })
}

/** Whether the error concerns the file or the disk, so that later statements would fail as well. */
export function concernsFile(error: unknown): boolean {
  const result = resultCode(error)
  return result !== null && (result & 0xff) in codes
}
