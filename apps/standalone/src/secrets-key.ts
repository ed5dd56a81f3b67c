import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { StorageError } from '@belfry/storage'

/** Bytes of a generated key, before they become text. */
const keyBytes = 32

const isCode = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** The file gets its name once the key is on the disk: a crash leaves no file with a part of a key. */
function write(path: string, key: string): void {
  const unnamed = `${path}.new`
  rmSync(unnamed, { force: true })
  const file = openSync(unnamed, 'wx', 0o600)
  writeSync(file, `${key}\n`)
  fsyncSync(file)
  closeSync(file)
  linkSync(unnamed, path)
  rmSync(unnamed)
}

/**
 * The key that seals secrets, from the file `secrets.key` of the data folder, which only its owner may read; made where there is
 * none. Without this file what was sealed cannot be opened, so a file that is too short is refused.
 */
export function openSecretsKey(dataDir: string): string {
  const path = join(dataDir, 'secrets.key')
  const known = read(path)
  if (known === undefined) write(path, randomBytes(keyBytes).toString('base64url'))
  const key = known ?? read(path) ?? ''
  if (Buffer.byteLength(key) < keyBytes)
    throw new StorageError('failed', `${path} does not hold the key of the secrets`)
  return key
}
