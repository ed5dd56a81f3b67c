import { lstatSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

let known: string | null | undefined

/**
 * The folder in which Node stores the compiled code of runner processes: it halves what the start of one costs (decision "handlers in
 * processes"). Code is run from it, so it must be a folder of this user that no other one can write; null when there is none.
 */
export function compileCacheFolder(): string | null {
  known ??= openFolder()
  return known
}

function openFolder(): string | null {
  try {
    const { uid } = userInfo()
    const path = join(tmpdir(), `belfry-handlers-${uid}`)
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const found = lstatSync(path)
    const isOurs = found.isDirectory() && (found.uid === uid || uid < 0) && (found.mode & 0o022) === 0
    return isOurs ? path : null
  } catch {
    return null
  }
}
