import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StorageError } from '../errors.ts'
import { asStorageError } from './errors.ts'

import { createPrivateFile } from './private-file.ts'

/** The data folder is ours until `release`, or until the process ends in any way. */
export interface HeldLock {
  readonly held: true
  /**
   * Removes the address that an earlier process left. To be called once the databases are open: where the lock file was
   * deleted, only they show that another process works on the folder, and the address is that process's.
   */
  forgetAddress(): void
  /** Leaves the address at which this process answers, so that a second start can print it. */
  announce(address: string): void
  /** May be called twice. */
  release(): void
}

/** Another process holds the folder. `address` is null until it has announced one. */
export interface LockElsewhere {
  readonly held: false
  readonly address: string | null
}

const lockName = 'belfry.lock'
const addressName = 'belfry.address'

const reasons: Record<string, string> = {
  EACCES: 'it may not be read or written by this user',
  EPERM: 'it may not be read or written by this user',
  ENOENT: 'it cannot be made there',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
}

/** SQLite's own words for the same: 8 is SQLITE_READONLY, 13 SQLITE_FULL, 14 SQLITE_CANTOPEN. */
const sqliteReasons: Record<number, string> = {
  8: 'it is read-only',
  13: 'the disk is full',
  14: 'its lock file cannot be opened',
}

function explain(folder: string, error: unknown): StorageError {
  const { code, errcode } = error as { code?: string; errcode?: number }
  const reason = reasons[code ?? ''] ?? sqliteReasons[(errcode ?? 0) & 0xff] ?? (error as Error).message
  const storage = asStorageError(error)
  return new StorageError(storage.code, `The data folder ${folder} cannot be used: ${reason}`, { cause: error })
}

/** One by one: a recursive mkdir hides that a disk is read-only, and never ends where the kernel makes no folders. */
function makeFolder(folder: string): void {
  const parent = dirname(folder)
  if (!existsSync(parent)) makeFolder(parent)
  mkdirSync(folder, { mode: 0o700 })
}

/**
 * A folder that is new or empty becomes its owner's alone. One that already holds something keeps its mode, for it may
 * be shared on purpose; the files of Belfry in it are their owner's alone in any case.
 */
function prepareFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found && !found.isDirectory()) throw new StorageError('failed', 'it is a file, not a folder')
  if (!found) makeFolder(folder)
  else if (readdirSync(folder).length === 0 && (found.mode & 0o777) !== 0o700) chmodSync(folder, 0o700)
}

/** Keeps the locks reachable: a connection that is collected as garbage is closed, and its lock is gone. */
const heldLocks = new Set<DatabaseSync>()

/** The open lock, or null when another process has it. A lock of the kernel: it cannot outlive its process. */
function takeLock(path: string): DatabaseSync | null {
  createPrivateFile(path)
  const db = new DatabaseSync(path, { timeout: 0 })
  try {
    db.exec('BEGIN EXCLUSIVE')
    heldLocks.add(db)
    return db
  } catch (error) {
    db.close()
    if (asStorageError(error).code === 'locked') return null
    throw error
  }
}

function readAddress(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim() || null
  } catch {
    return null
  }
}

/** A reader sees the old text or the new one, never a half. */
function writeAddress(path: string, address: string): void {
  writeFileSync(`${path}.new`, `${address}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

function hold(folder: string, lock: DatabaseSync): HeldLock {
  const addressPath = join(folder, addressName)
  let isAnnounced = false
  return {
    held: true,
    forgetAddress: () => rmSync(addressPath, { force: true }),
    announce(address) {
      try {
        writeAddress(addressPath, address)
        isAnnounced = true
      } catch (error) {
        throw explain(folder, error)
      }
    },
    release() {
      if (!heldLocks.delete(lock)) return
      if (isAnnounced) rmSync(addressPath, { force: true })
      lock.close()
    },
  }
}

/**
 * Makes the folder if need be and takes the lock that a data folder has: only one Belfry works on it at a time. Throws
 * a `StorageError` whose message a person can act on: not writable, a file, a read-only or a full disk.
 */
export function lockDataFolder(folder: string): HeldLock | LockElsewhere {
  try {
    prepareFolder(folder)
    const lock = takeLock(join(folder, lockName))
    return lock ? hold(folder, lock) : { held: false, address: readAddress(join(folder, addressName)) }
  } catch (error) {
    throw explain(folder, error)
  }
}
