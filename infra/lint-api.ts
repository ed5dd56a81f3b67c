/**
 * Checks the API description of a Belfry that it starts: `redocly lint` with the recommended rules, `spectral:oas`, and whether
 * the types that `libs/client` is written with are current. A warning counts like an error. `--write` writes the types. The tools have a
 * folder and a lockfile of their own (docs/decisions/044), and no install scripts; once they are there no network is used.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStandalone } from '@belfry/standalone'

const root = join(import.meta.dirname, '..')
const tools = join(import.meta.dirname, 'api-tools')
const typesFile = join(root, 'libs/client/src/api-types.ts')

const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }

/** Runs a program to its end; answers whether it succeeded. */
function run(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { cwd: tools, env, stdio: 'inherit' }).status === 0
}

/** Once for each lockfile; what was installed for an older one is replaced. */
function install(): void {
  const lock = readFileSync(join(tools, 'package-lock.json'), 'utf8')
  const stamp = join(tools, 'node_modules/.installed-lock')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  if (!run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']))
    throw new Error('npm cannot install the tools')
  writeFileSync(stamp, lock)
}

/** The document as a client gets it, from a Belfry on a folder of its own. */
async function readDocument(folder: string): Promise<string> {
  const belfry = await openStandalone({
    BELFRY_DATA_DIR: join(folder, 'data'),
    BELFRY_PORT: '0',
    BELFRY_LOG_LEVEL: 'warn',
  })
  try {
    const answer = await fetch(`${belfry.url}/openapi.json`)
    return await answer.text()
  } finally {
    await belfry.stop()
  }
}

/** Whether the checked-in types are those of the document; with `isWriting` they are from now on. */
function checkTypes(document: string, folder: string, isWriting: boolean): boolean {
  const file = join(folder, 'types.ts')
  if (!run('node_modules/.bin/openapi-typescript', [document, '--output', file, '--default-non-nullable', 'false']))
    return false
  const generated = `// Generated from /openapi.json by \`npm run lint:api -- --write\`.\n${readFileSync(file, 'utf8')}`
  if (isWriting) writeFileSync(typesFile, generated)
  if (existsSync(typesFile) && readFileSync(typesFile, 'utf8') === generated) return true
  process.stderr.write('libs/client/src/api-types.ts is not current: npm run lint:api -- --write\n')
  return false
}

const folder = mkdtempSync(join(tmpdir(), 'belfry-api-'))
try {
  install()
  const document = join(folder, 'openapi.json')
  writeFileSync(document, await readDocument(folder))
  const results = [
    run('node_modules/.bin/redocly', [
      'lint',
      document,
      '--extends',
      'recommended-strict',
      '--max-problems',
      '1000',
      '--format',
      'summary',
    ]),
    run(process.execPath, ['spectral.mjs', document]),
    checkTypes(document, folder, process.argv.includes('--write')),
  ]
  process.exitCode = results.every(Boolean) ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
