import { closeSync, openSync } from 'node:fs'

/**
 * Makes an empty file that only its owner may read or write, unless there is one. A file that exists is not opened:
 * closing any descriptor of it would drop the POSIX locks that SQLite holds on it in this process
 * (sqlite.org/howtocorrupt.html, 2.2). SQLite gives its `-wal` file the same mode.
 */
export function createPrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'ax', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}
