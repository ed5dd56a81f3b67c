import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')

/** A copy of the working tree. Edits of it touch nothing else. */
export interface Copy {
  readonly path: string
  remove(): void
}

/**
 * The packages of others are linked; those of the workspace are links within the copy, so that what imports them gets the edited
 * source.
 */
function linkModules(path: string): void {
  const [from, to] = [join(root, 'node_modules'), join(path, 'node_modules')]
  const own = '@belfry'
  mkdirSync(join(to, own), { recursive: true })
  for (const name of readdirSync(from))
    if (name !== own && name !== '.vitest-cache') symlinkSync(join(from, name), join(to, name))
  for (const name of readdirSync(join(from, own))) symlinkSync(readlinkSync(join(from, own, name)), join(to, own, name))
}

/** Copies what is in the working tree, apart from what Git ignores. */
export function copyTree(): Copy {
  const path = mkdtempSync(join(tmpdir(), 'belfry-edits-'))
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
    .split('\0')
    .filter(Boolean)
  for (const file of files) {
    mkdirSync(join(path, dirname(file)), { recursive: true })
    cpSync(join(root, file), join(path, file))
  }
  linkModules(path)
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
