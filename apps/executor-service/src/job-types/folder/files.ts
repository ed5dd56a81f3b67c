import { createHash } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { HandlerSource } from '@belfry/worker/runner'

/** A handler file as it is on the disk. */
export interface HandlerFile {
  readonly name: string
  readonly source: HandlerSource
  /** Changes with its text, and with the modules in subfolders, which it may import. */
  readonly fingerprint: string
}

const isHandlerName = (name: string) => /\.(ts|js|mjs)$/.test(name) && !/\.d\.ts$|\.test\.|^[._]/.test(name)
const isSearched = (name: string) => name !== 'node_modules' && !name.startsWith('.')
/** Modules in subfolders whose changes are noticed, at most. */
const mostModules = 2000

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    throw error
  }
}

/** Names, sizes and times of the modules in subfolders. */
async function readModules(folder: string, entries: readonly Dirent[], found: string[] = []): Promise<string[]> {
  for (const entry of entries) {
    if (found.length >= mostModules) break
    const path = join(folder, entry.name)
    if (entry.isDirectory() && isSearched(entry.name)) {
      const inside = await entriesOf(path)
      for (const one of inside.filter((each) => each.isFile())) {
        const { size, mtimeMs } = await stat(join(path, one.name))
        found.push(`${path}/${one.name} ${size} ${mtimeMs}`)
      }
      await readModules(path, inside, found)
    }
  }
  return found
}

/**
 * The handler files of a folder, by name: every `.ts`, `.js` and `.mjs` file directly in it, but for tests, declarations, and names that
 * begin with `.` or `_`. A folder that is not there has none.
 */
export async function readHandlerFiles(folder: string): Promise<HandlerFile[]> {
  const entries = await entriesOf(folder)
  const modules = (await readModules(folder, entries)).sort().join('\n')
  const names = entries.filter((one) => !one.isDirectory() && isHandlerName(one.name)).map((one) => one.name)
  const files = names.sort().map(async (name): Promise<HandlerFile> => {
    // Node loads a file from where it really is; a mounted file may be a link.
    const path = await realpath(join(folder, name))
    const text = await readFile(path, 'utf8')
    const fingerprint = createHash('sha256').update(`${path}\n${modules}\n${text}`).digest('base64')
    return { name, source: { url: pathToFileURL(path).href, text }, fingerprint }
  })
  return Promise.all(files)
}
