import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { openOneProcess } from '../../proof/one-process.ts'

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)

it('the program of the guide on the client does what it says', async () => {
  const belfry = await openOneProcess({ BELFRY_LOG_LEVEL: 'error' })
  const folder = await mkdtemp(join(tmpdir(), 'belfry-client-'))
  onTestFinished(async () => {
    await belfry.close()
    await rm(folder, { recursive: true })
  })
  const page = await readFile(join(root, 'docs/guide/client.md'), 'utf8')
  const program = /^```ts client\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? ''
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await writeFile(join(folder, 'program.ts'), program)
  const env = { ...process.env, BELFRY_URL: belfry.url }
  const { stdout } = await run(process.execPath, [join(folder, 'program.ts')], { env })
  const lines = stdout.trim().split('\n')
  expect(lines[0]).toMatch(/^nightly runs next at \d{4}-\d\d-\d\dT0[01]:00:00\.000Z$/)
  expect(lines.filter((line) => line.startsWith('log: ')).length).toBeGreaterThan(0)
  expect(lines.at(-2)).toMatch(/Z SUCCESS$/)
  expect(lines.at(-1)).toBe('refused: REPORT')
})
