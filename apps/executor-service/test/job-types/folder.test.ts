import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createManualClock, createSystemClock } from '@belfry/service'
import { createTestDeps } from '@belfry/testkit'
import type { Handlers } from '@belfry/worker'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { executorConfig } from '../../src/config.ts'
import { withHandlersFolder } from '../../src/job-types/folder/handlers.ts'
import { createHandlers, describeHandlers, handlersDefaults, listedTypes } from '../../src/job-types/job-types.ts'
import { createTestContext } from './run-context.ts'

// Processes start slowly on a machine that is busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 })

const job = (type: string, body: string, more = '') => `import { defineJob } from '@belfry/worker'
  import { z } from 'zod'
  export default defineJob({ type: '${type}', title: 'Ours', ${more} params: z.object({ n: z.int().default(1) }),
    async run({ n }, ctx) { ${body} } })`

async function openFolder(files: Record<string, string>, isWatched = false) {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-folder-'))
  const clock = createSystemClock()
  const { logged, depsOf } = createTestDeps({ clock: createManualClock(0), logLevel: 'info' })
  const write = (name: string, text: string) => writeFile(join(folder, name), text)
  for (const [name, text] of Object.entries(files)) await write(name, text)
  const config = executorConfig.parse({
    executorHandlers: folder,
    executorHandlersWatch: String(isWatched),
    executorHandlersLoadMs: 20_000,
  })
  const limits = { log: { lines: 10, bytes: 10_000, lineBytes: 100 }, artifacts: 1, artifactBytes: 100 }
  const { log } = depsOf('executor-service')
  const env = { PATH: '/bin', BELFRY_BUS_KEY: 'secret' }
  const handlers = withHandlersFolder(createHandlers(handlersDefaults), { config, limits, clock, log, env })
  await handlers.start?.()
  onTestFinished(async () => {
    await handlers.close()
    await rm(folder, { recursive: true })
  })
  return { handlers, folder, write, logged }
}

function run(handlers: Handlers, type: string, params: unknown = {}, context = createTestContext()): Promise<unknown> {
  const handler = handlers.types.get(type)
  if (handler === undefined) throw new Error(`there is no ${type}`)
  return handler.run(params, context)
}

const ownTypes = (handlers: Handlers) => [...handlers.types.keys()].filter((type) => type.startsWith('OWN'))

describe('the handlers folder', () => {
  it('may be absent', async () => {
    const { handlers } = await openFolder({})
    expect([...handlers.types.keys()]).toEqual(['DUMMY', 'HTTP_CALL', 'REPORT'])
    expect(handlers.unusable?.()).toEqual([])
  })

  it('gives job types of TypeScript and JavaScript, with their schemas and defaults', async () => {
    const { handlers } = await openFolder({
      'one.ts': job(
        'OWN_TS',
        'const m: number = n; return { m }',
        "timeout: '90s', retry: { maxRetries: 1, delay: '2s' }, slots: 'io',",
      ),
      'two.mjs': job('OWN_MJS', 'return Object.keys(process.env)'),
      'three.js': job('OWN_JS', 'ctx.log.info("hi"); return ctx.idempotencyKey()'),
      'four.test.ts': 'not looked at',
      '_five.ts': 'not looked at',
    })
    expect(ownTypes(handlers).sort()).toEqual(['OWN_JS', 'OWN_MJS', 'OWN_TS'])
    expect(handlers.unusable?.()).toEqual([])
    const described = describeHandlers(handlers).find(({ type }) => type === 'OWN_TS')
    expect(described).toMatchObject({ timeoutMs: 90_000, retry: { maxRetries: 1, delayMs: 2000 } })
    expect(described?.params).toMatchObject({ properties: { n: { type: 'integer', default: 1 } } })
    expect(handlers.types.get('OWN_TS')?.slots).toBe('io')
    expect(await run(handlers, 'OWN_TS', { n: 5 })).toEqual({ m: 5 })
    expect(await run(handlers, 'OWN_MJS')).toEqual(['PATH'])
    const context = createTestContext()
    expect(await run(handlers, 'OWN_JS', {}, context)).toBe(context.executionId)
    expect(context.logs).toEqual(['info hi'])
  })

  it('names each file that is no job type with the reason, and goes on with the others', async () => {
    const { handlers, logged } = await openFolder({
      'a.ts': job('OWN_A', 'return 1'),
      'b.ts': job('OWN_A', 'return 2'),
      'c.ts': job('HTTP_CALL', 'return 3'),
      'd.ts': job('COMMAND', 'return 3'),
      'e.ts': "throw new Error('no database')",
      'f.ts': job('OWN F', 'return 4', "timeout: 'soon',"),
      'g.ts': 'export const helper = 1',
    })
    expect(ownTypes(handlers)).toEqual(['OWN_A'])
    expect(await run(handlers, 'OWN_A')).toBe(1)
    const unusable = new Map(handlers.unusable?.().map(({ file, error }) => [file, error]))
    expect([...unusable.keys()]).toEqual(['b.ts', 'c.ts', 'd.ts', 'e.ts', 'f.ts', 'g.ts'])
    expect(unusable.get('b.ts')).toBe('type: OWN_A is the type of a.ts already')
    expect(unusable.get('c.ts')).toContain('HTTP_CALL is a job type of Belfry itself')
    expect(unusable.get('e.ts')).toBe('no database')
    expect(unusable.get('f.ts')).toMatch(/type: must begin.*timeout: is not a duration/)
    expect(unusable.get('g.ts')).toContain('defineJob')
    expect(logged().filter(({ msg }) => msg === 'a file of the handlers folder is no job type')).toHaveLength(6)
  })

  it('names what only looks like a handler file, and goes on with the others', async () => {
    const { handlers, folder, write } = await openFolder({ 'a.ts': job('OWN_A', 'return 1') }, true)
    await mkdir(join(folder, 'lib.ts'))
    await symlink(join(folder, 'nowhere.ts'), join(folder, 'b.ts'))
    await symlink(join(folder, 'lib.ts'), join(folder, 'c.ts'))
    await symlink('/dev/zero', join(folder, 'e.ts'))
    await write('f.ts', job('OWN_F', 'return 6'))
    await expect.poll(() => ownTypes(handlers), { timeout: 30_000 }).toEqual(['OWN_A', 'OWN_F'])
    const unusable = new Map(handlers.unusable?.().map(({ file, error }) => [file, error]))
    expect([...unusable.keys()]).toEqual(['b.ts', 'c.ts', 'e.ts'])
    expect(unusable.get('b.ts')).toContain('cannot be read: ENOENT')
    expect(unusable.get('c.ts')).toBe('is no file')
    expect(unusable.get('e.ts')).toBe('is no file')
  })

  it('takes new, changed and removed files at once when it is watched; what runs goes on with its text', async () => {
    const { handlers, folder, write } = await openFolder({ 'a.ts': job('OWN_A', 'return "old"') }, true)
    const held = handlers.types.get('OWN_A')
    await write('b.ts', job('OWN_B', 'return "new"'))
    await expect.poll(() => ownTypes(handlers), { timeout: 30_000 }).toEqual(['OWN_A', 'OWN_B'])
    await write('a.ts', job('OWN_A', 'return "changed"'))
    await expect.poll(() => run(handlers, 'OWN_A'), { timeout: 30_000 }).toBe('changed')
    expect(await held?.run({}, createTestContext())).toBe('old')
    await write('a.ts', 'broken(')
    await expect.poll(() => handlers.unusable?.().map(({ file }) => file), { timeout: 30_000 }).toEqual(['a.ts'])
    expect(await run(handlers, 'OWN_A')).toBe('changed')
    await rm(join(folder, 'b.ts'))
    await expect.poll(() => ownTypes(handlers), { timeout: 30_000 }).toEqual(['OWN_A'])
  })

  it('loads a file again when a module in a subfolder has changed', async () => {
    const { handlers, folder } = await openFolder({}, true)
    await mkdir(join(folder, 'lib'))
    await writeFile(join(folder, 'lib/word.ts'), 'export const word: string = "one"')
    await writeFile(join(folder, 'a.ts'), `import { word } from './lib/word.ts'\n${job('OWN_A', 'return word')}`)
    await expect.poll(() => ownTypes(handlers), { timeout: 30_000 }).toEqual(['OWN_A'])
    expect(await run(handlers, 'OWN_A')).toBe('one')
    await writeFile(join(folder, 'lib/word.ts'), 'export const word: string = "two!"')
    await expect.poll(() => run(handlers, 'OWN_A'), { timeout: 30_000 }).toBe('two!')
  })
})

describe('the list of job types for the registry', () => {
  it('fits into its 512 characters, however many there are', () => {
    expect(listedTypes(['A', 'B'])).toBe('A,B')
    const many = listedTypes(Array.from({ length: 200 }, (_, index) => `TYPE_NUMBER_${index}`))
    expect(many.length).toBeLessThan(512)
    expect(many).toMatch(/^TYPE_NUMBER_0,.*,and \d+ more$/)
  })
})
