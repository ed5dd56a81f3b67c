import { createHash } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { HandlerSource } from '@belfry/worker/runner'

/** A handler file as it is on the disk. */
export interface HandlerFile {
  readonly name: string
  /** Its text, or why it cannot be read. */
  readonly source: HandlerSource | { readonly error: string }
  /** Changes with its text, and with the modules in subfolders, which it may import. */
  readonly fingerprint: string
}

const isHandlerName = (name: string) => /\.(ts|js|mjs)$/.test(name) && !/\.d\.ts$|\.test\.|^[._]/.test(name)
const isSearched = (name: string) => name !== 'node_modules' && !name.startsWith('.')
/** Modules in subfolders whose changes are noticed, at most. */
const mostModules = 2000
/** Longest handler file, bytes. */
const longestFile = 16 * 1024 * 1024
/** Files that are read at a time. */
const readsAtOnce = 32

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
      // A subfolder or a module that cannot be read matters to the file that imports it only.
      const inside = await entriesOf(path).catch((): Dirent[] => [])
      for (const one of inside.filter((each) => each.isFile())) {
        const known = await stat(join(path, one.name)).catch(() => null)
        if (known !== null) found.push(`${path}/${one.name} ${known.size} ${known.mtimeMs}`)
      }
      await readModules(path, inside, found)
    }
  }
  return found
}

/** Never rejects: a link that leads nowhere, a folder or a pipe with the name of a handler file costs itself only. */
async function readSource(file: string): Promise<HandlerFile['source']> {
  try {
    // Node loads a file from where it really is; a mounted file may be a link.
    const path = await realpath(file)
    const found = await stat(path)
    if (!found.isFile()) return { error: 'is no file' }
    if (found.size > longestFile) return { error: `has ${found.size} bytes; ${longestFile} are allowed` }
    return { url: pathToFileURL(path).href, text: await readFile(path, 'utf8') }
  } catch (error) {
    return { error: `cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

/**
 * The handler files of a folder, by name: every `.ts`, `.js` and `.mjs` file directly in it, but for tests, declarations, and names that
 * begin with `.` or `_`. A folder that is not there has none.
 */
export async function readHandlerFiles(folder: string): Promise<HandlerFile[]> {
  const entries = await entriesOf(folder)
  const modules = (await readModules(folder, entries)).sort().join('\n')
  const names = entries.filter((one) => !one.isDirectory() && isHandlerName(one.name)).map((one) => one.name)
  const readOne = async (name: string): Promise<HandlerFile> => {
    const source = await readSource(join(folder, name))
    const { url, text } = 'error' in source ? { url: '', text: source.error } : source
    return { name, source, fingerprint: createHash('sha256').update(`${url}\n${modules}\n${text}`).digest('base64') }
  }
  const files: HandlerFile[] = []
  names.sort()
  for (let from = 0; from < names.length; from += readsAtOnce) {
    files.push(...(await Promise.all(names.slice(from, from + readsAtOnce).map(readOne))))
  }
  return files
}
