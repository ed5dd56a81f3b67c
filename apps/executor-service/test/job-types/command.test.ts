import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { beforeAll, describe, expect, it } from 'vitest'
import { createCommand } from '../../src/job-types/command/command.ts'
import { type Commands, readCommands } from '../../src/job-types/command/commands.ts'
import { createTestContext } from './run-context.ts'

const node = process.execPath

function commandsOf(given: Record<string, unknown>): Commands {
  const read = readCommands(JSON.stringify(given))
  if (typeof read === 'string') throw new Error(read)
  return read
}

const script = (code: string, more: object = {}) => ({ executable: node, args: ['-e', code, '--'], ...more })
const all = commandsOf({
  greet: {
    executable: node,
    args: ['-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', '{who}', '--times={times}'],
    arguments: { times: { pattern: '\\d+', default: '1' } },
  },
  env: script('console.log(JSON.stringify(process.env)); console.log(process.cwd())', { env: ['SHOWN'] }),
  fail: script(
    "for (let i = 1; i < 9; i++) console.log('line ' + i); console.error('the disk is full'); process.exitCode = 3",
  ),
  deaf: script(`process.on('SIGTERM', () => console.log('no'));
    require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
    console.log('on'); setInterval(() => {}, 1000)`),
  slow: script('setInterval(() => {}, 1000)', { timeout: '1s' }),
  flood: script("const line = 'x'.repeat(65535) + '\\n'; for (;;) require('node:fs').writeSync(1, line)"),
  missing: { executable: '/no/such/program' },
  through: { executable: '/etc/hosts/program' },
})
const handler = createCommand({ commands: all, env: { SHOWN: 'yes', SECRET: 'no' }, logBytes: 10_000 })
const run = (params: unknown, context = createTestContext()) => handler.run(handler.params.parse(params), context)

describe('COMMAND', () => {
  it('runs a program with the arguments of its template, and no shell', async () => {
    const context = createTestContext()
    const params = { command: 'greet', args: { who: 'a+b', times: '3' } }
    expect(await run(params, context)).toEqual({ exitCode: 0 })
    expect(context.logs).toEqual(['info ["a+b","--times=3"]'])
  })

  it('gives it the variables that the configuration names, and the key of the execution', async () => {
    const context = createTestContext({ executionId: 'exe-7' })
    await run({ command: 'env' }, context)
    expect(JSON.parse(context.logs[0]!.slice('info '.length))).toEqual({
      SHOWN: 'yes',
      BELFRY_IDEMPOTENCY_KEY: 'exe-7',
    })
    expect(context.logs[1]).toBe('info /')
  })

  it('fails with its code and its last lines', async () => {
    const failing = run({ command: 'fail' })
    await expect(failing).rejects.toMatchObject({ code: 'command-failed' })
    await expect(failing).rejects.toThrow(/^fail exited with code 3: (?=[\s\S]*line 8)(?=[\s\S]*the disk is full)/)
    await expect(run({ command: 'missing' })).rejects.toMatchObject({ code: 'command-not-started', retry: 'never' })
    await expect(run({ command: 'through' })).rejects.toMatchObject({ code: 'command-not-started', retry: 'never' })
    await expect(run({ command: 'slow' })).rejects.toMatchObject({ code: 'timeout' })
  })

  it('is asked to end when it is aborted, and is killed with its children when it goes on', async () => {
    const context = createTestContext()
    const ended = run({ command: 'deaf' }, context)
    ended.catch(() => undefined)
    await expect.poll(() => context.logs, { timeout: 20_000 }).toContain('info on')
    context.abort(new Error('enough'))
    await expect.poll(() => context.logs, { timeout: 20_000 }).toContain('info no')
    handler.stop?.(context)
    // Its output ends only when its child is gone too.
    await expect(ended).rejects.toThrow('enough')
  }, 60_000)

  it('that prints without end does not fill the memory', async () => {
    const context = createTestContext()
    const ended = run({ command: 'flood' }, context)
    ended.catch(() => undefined)
    await expect.poll(() => context.logs.length, { timeout: 20_000 }).toBeGreaterThan(0)
    const before = process.memoryUsage().rss
    for (let turns = 0; turns < 20; turns++) await new Promise<void>((resolve) => context.clock.callAfter(10, resolve))
    expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000)
    expect(context.logs.length).toBeLessThan(10)
    context.abort(new Error('enough'))
    await expect(ended).rejects.toThrow('enough')
  }, 60_000)
})

describe('the params of COMMAND', () => {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  const check = ajv.compile(handler.schemas!.params)

  it.each([
    { command: 'greet', args: { who: 'ann' } },
    { command: 'greet', args: { who: '', times: '12' } },
    { command: 'fail' },
    { command: 'fail', args: {} },
  ])('may be %j', (params) => {
    expect(handler.params.safeParse(params).error).toBeUndefined()
    expect(check(params), JSON.stringify(check.errors)).toBe(true)
  })

  it.each([
    {},
    { command: 'rm' },
    { command: 'greet' },
    { command: 'greet', args: { who: '--eval=1' } },
    { command: 'greet', args: { who: '-e' } },
    { command: 'greet', args: { who: '../etc/passwd' } },
    { command: 'greet', args: { who: 'a b' } },
    { command: 'greet', args: { who: '$(id)' } },
    { command: 'greet', args: { who: 'a\u0000b' } },
    { command: 'greet', args: { who: 'x'.repeat(300) } },
    { command: 'greet', args: { who: 'ann', times: '1; ls' } },
    { command: 'greet', args: { who: 'ann', times: '1\n' } },
    { command: 'greet', args: { who: 'ann', more: 'x' } },
    { command: 'greet', args: ['ann'] },
    { command: 'fail', args: { code: '1' } },
    { command: 'fail', shell: true },
  ])('may not be %j', (params) => {
    expect(handler.params.safeParse(params).success).toBe(false)
    expect(check(params)).toBe(false)
  })
})

describe('the setting of the commands', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'belfry-commands-'))
    return () => rm(folder, { recursive: true })
  })

  it('is JSON text or a file with it', async () => {
    const path = join(folder, 'commands.json')
    await writeFile(path, JSON.stringify({ list: { executable: '/bin/ls' } }))
    expect(await readFile(path, 'utf8')).toContain('/bin/ls')
    expect(readCommands(path)).toMatchObject({ list: { executable: '/bin/ls', args: [], cwd: '/' } })
  })

  it.each([
    ['{', /JSON/],
    ['/no/such/file', /JSON/],
    ['{}', /names no command/],
    ['{"a b": {"executable": "/bin/ls"}}', /^a b: /],
    ['{"ls": {"executable": "ls"}}', /ls\.executable: must be an absolute path/],
    ['{"ls": {"executable": "/bin/ls", "shell": true}}', /shell/],
    ['{"ls": {"executable": "/bin/ls", "env": ["BELFRY_BUS_KEY"]}}', /BELFRY_BUS_KEY/],
    ['{"ls": {"executable": "/bin/ls", "args": ["{x}"], "arguments": {"x": {"pattern": "("}}}}', /pattern/],
    ['{"ls": {"executable": "/bin/ls", "arguments": {"y": {}}}}', /no \{y\}/],
  ])('is refused with the reason: %s', (given, reason) => {
    expect(readCommands(given)).toMatch(reason)
  })
})
