import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { alone, createTestRun, openPool, shared } from './pool-world.ts'

// Processes start slowly on a machine that is busy.
vi.setConfig({ testTimeout: 60_000 })

describe('a handler file in a runner process', () => {
  it('finds the worker package and zod from a folder of the user, and says what its job type is', async () => {
    const { pool, handler } = await openPool()
    const description = await pool.load(await handler('return n'))
    expect(description).toMatchObject({ type: 'T', title: 'T' })
    expect(description.params).toMatchObject({ type: 'object', properties: { n: { type: 'integer', default: 1 } } })
  })

  it('runs with parsed params; its log, console and files go to its attempt', async () => {
    const { pool, handler } = await openPool()
    const source = await handler(`
      ctx.log.info('one'); console.log('two', { n }); console.error('three'); process.stdout.write('four\\n')
      ctx.artifact('a.txt', 'text/plain', 'abc')
      return { n, greeting: process.env.GREETING, key: ctx.idempotencyKey('x') }`)
    const run = createTestRun()
    expect(await pool.run(source, alone, {}, run)).toEqual({ n: 1, greeting: 'hi', key: 'exe-1:x' })
    expect(run.lines).toEqual(['info one', 'info two { n: 1 }', 'error three', 'info four'])
    expect(run.files).toEqual([{ name: 'a.txt', bytes: 3 }])
  })

  it('may have a schema of any library: without JSON Schema the params are checked when it runs', async () => {
    const { pool, file, outcome } = await openPool()
    const source = await file(`import { defineJob } from '@belfry/worker'
      const validate = async (given: unknown) => typeof (given as { n?: unknown }).n === 'number'
        ? { value: { n: (given as { n: number }).n + 1 } }
        : { issues: [{ message: 'must be a number', path: [{ key: 'n' }] }] }
      const params = { '~standard': { version: 1 as const, vendor: 'own', validate } }
      export default defineJob({ type: 'T', title: 'T', params, run: ({ n }) => n })`)
    expect((await pool.load(source)).params).toEqual({ type: 'object', additionalProperties: true })
    expect(await outcome(source, { n: 1 }, createTestRun())).toBe(2)
    expect(await outcome(source, { n: 'x' }, createTestRun())).toBe('params-invalid')
  })

  it('resumes from what was stored', async () => {
    const { pool, handler } = await openPool()
    const source = await handler('const at = (await ctx.resume()) ?? 0; await ctx.checkpoint(at + 1); return at')
    const run = createTestRun({ state: '41' })
    expect(await pool.run(source, alone, {}, run)).toBe(41)
    expect(await run.resume()).toBe('42')
  })

  it('is the text that was loaded, not what is on the disk by now', async () => {
    const { pool, handler, folder } = await openPool()
    const source = await handler("return 'old'", 'same.ts')
    await pool.load(source)
    await writeFile(join(folder, 'same.ts'), 'no code at all')
    expect(await Promise.all([1, 2].map(() => pool.run(source, alone, {}, createTestRun())))).toEqual(['old', 'old'])
  })

  it.each([
    ['does not parse', 'export default {', /\S/],
    ['throws', "throw new Error('no database')", /^no database$/],
    ['exits', 'process.exit(1)', /process\.exit/],
    ['never loads', 'while (true);', /does not load within/],
    ['exports nothing', 'export const x = 1', /no default export made by defineJob/],
    [
      'has no schema',
      "import { defineJob } from '@belfry/worker'; export default defineJob({ type: 'X', title: 'X', run() {} } as never)",
      /^params: /,
    ],
    [
      'says too much',
      `import { defineJob } from '@belfry/worker'; import { z } from 'zod'
       export default defineJob({ type: 'X', title: 'X', params: z.object({}).describe('x'.repeat(300_000)), run() {} })`,
      /bytes with its JSON Schemas and examples/,
    ],
  ])('that %s is refused with the reason', async (_, text, reason) => {
    const { pool, file } = await openPool({ loadMs: text.startsWith('while') ? 300 : 20_000 })
    await expect(pool.load(await file(text))).rejects.toThrow(reason)
  })
})

describe('a handler that goes wrong', () => {
  it.each([
    ['throws', "throw new Error('no')", 'handler-error'],
    ['throws a failure of its own', "throw fatal('bad', 'no')", 'bad'],
    ['gets params that its schema refuses', 'return n', 'params-invalid'],
    [
      'throws outside of its promise',
      "setTimeout(() => { throw new Error('no') }, 1); await ctx.sleep(60_000)",
      'handler-error',
    ],
    ['leaves a rejection alone', "void Promise.reject(new Error('no')); await ctx.sleep(60_000)", 'handler-error'],
    ['exits the process', 'process.exit(0)', 'handler-exited'],
    ['aborts the process', 'process.abort()', 'handler-exited'],
    [
      'writes to the channel of its process',
      "const { writeSync } = await import('node:fs'); writeSync(3, Buffer.alloc(64, 255)); await ctx.sleep(60_000)",
      'handler-error',
    ],
    ['fills its heap', 'const all = []; while (true) all.push(new Array(1000).fill(n))', 'out-of-memory'],
    [
      'fills memory outside of its heap',
      'const all = []; while (true) all.push(Buffer.alloc(5_000_000, 1))',
      'out-of-memory',
    ],
    ['gives a result that is too large', "return 'x'.repeat(1_000_000)", 'result-too-large'],
    ['stores a file that is too large', "ctx.artifact('a', 'text/plain', 'x'.repeat(2000))", 'artifact-too-large'],
    [
      'stores too many files',
      "for (const a of ['a', 'b', 'c']) ctx.artifact(a, 'text/plain', '')",
      'too-many-artifacts',
    ],
    ['is aborted and obeys', 'await ctx.sleep(60_000)', 'timeout', 50],
    ['loops for ever', 'while (true);', 'timeout', 50],
  ])('(it %s) fails by its own code, and others run', async (what, body, code, timeoutMs?: number) => {
    const { pool, handler, outcome } = await openPool()
    const params = what.startsWith('gets params') ? { n: 'one' } : {}
    const good = await handler('await ctx.sleep(20); return n')
    const bad = await handler(body)
    const others = Promise.all([1, 2, 3].map((n) => pool.run(good, alone, { n }, createTestRun())))
    expect(await outcome(bad, params, createTestRun(timeoutMs === undefined ? {} : { timeoutMs }))).toBe(code)
    expect(await others).toEqual([1, 2, 3])
    expect(await pool.run(good, alone, { n: 4 }, createTestRun())).toBe(4)
  })

  it('prints without end, and only the lines within the limits leave its process', async () => {
    const { handler, outcome } = await openPool()
    const run = createTestRun({ timeoutMs: 300 })
    const source = await handler(
      "const line = 'y'.repeat(5000); while (true) { console.log(line); process.stdout.write(line) }",
    )
    expect(await outcome(source, {}, run)).toBe('timeout')
    // One beyond the limit, so that the executor knows that there was more.
    expect(run.lines).toHaveLength(11)
  })

  it('sends what is meant for a supervisor, and sleeps for ever: neither does anything', async () => {
    const { handler, outcome } = await openPool()
    const run = createTestRun({ timeoutMs: 300 })
    const source = await handler("process.send?.(null); await ctx.sleep(Infinity); ctx.log.info('awake')")
    expect(await outcome(source, {}, run)).toBe('timeout')
    expect(run.lines).toEqual([])
  })

  it('ignores its abort, and is ended with its process', async () => {
    const { pool, handler, outcome } = await openPool()
    const run = createTestRun()
    const source = await handler("ctx.log.info('on'); for (;;) await new Promise((r) => setTimeout(r, 5))")
    const ended = outcome(source, {}, run)
    await expect.poll(() => run.lines, { timeout: 30_000 }).toEqual(['info on'])
    run.abort('cancel')
    pool.stop(run)
    expect(await ended).toBe('cancel')
  })
})

describe('an attempt in a process that an earlier one has left blocked', () => {
  it('is interrupted soon, and not charged', async () => {
    const { handler, outcome } = await openPool({ processes: 1 })
    const source = await handler("if (what === 'bad') setImmediate(() => { while (true); }); return n")
    expect(await outcome(source, { what: 'bad' }, createTestRun())).toBe(1)
    expect(await outcome(source, {}, createTestRun())).toBe('InterruptedRun')
    expect(await outcome(source, {}, createTestRun())).toBe(1)
  })
})

describe('attempts that share a process', () => {
  const sharing = "if (what === 'wait') { await ctx.sleep(30); return process.pid + n - process.pid } "

  it('run side by side', async () => {
    const { pool, handler } = await openPool({ processes: 1 })
    const source = await handler(sharing)
    const numbers = Array.from({ length: 10 }, (_, n) => n)
    const started = performance.now()
    const ran = numbers.map((n) => pool.run(source, shared, { n, what: 'wait' }, createTestRun({ id: `exe-${n}` })))
    expect(await Promise.all(ran)).toEqual(numbers)
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  it.each([
    ['exits', 'process.exit(1)', 'handler-exited'],
    [
      'throws outside of its promise',
      "setTimeout(() => { throw new Error('no') }); await ctx.sleep(60_000)",
      'handler-error',
    ],
  ])('are interrupted when one %s, which alone is charged', async (_, body, code) => {
    const { handler, outcome } = await openPool({ processes: 2 })
    const source = await handler(`if (what === 'bad') { await ctx.sleep(20); ${body} } await ctx.sleep(60_000)`)
    const [good, bad] = [createTestRun({ id: 'exe-1' }), createTestRun({ id: 'exe-2' })]
    const other = outcome(source, {}, good, shared)
    expect(await outcome(source, { what: 'bad' }, bad, shared)).toBe(code)
    expect(await other).toBe('InterruptedRun')
  })

  it('are all interrupted when one blocks, and then run alone: only the one that blocks is charged', async () => {
    const { handler, outcome } = await openPool({ processes: 2 })
    const source = await handler("if (what === 'bad') while (true); await ctx.sleep(20); return n")
    const attempt = (id: string, what: string) =>
      outcome(source, { what }, createTestRun({ id, timeoutMs: what === 'bad' ? 100 : 60_000 }), shared)
    const first = await Promise.all([attempt('exe-1', 'bad'), attempt('exe-2', '')])
    expect(first).toEqual(['InterruptedRun', 'InterruptedRun'])
    expect(await Promise.all([attempt('exe-1', 'bad'), attempt('exe-2', '')])).toEqual(['timeout', 1])
  })
})

describe('the pool', () => {
  it('keeps a process that loads a file from being ended for the attempts of another file', async () => {
    const { pool, handler, file } = await openPool({ processes: 1 })
    const quick = await handler('return n')
    const slow = await file("await new Promise((resolve) => setTimeout(resolve, 300)); throw new Error('loaded')")
    const loaded = pool.load(slow).catch((error: Error) => error.message)
    expect(await pool.run(quick, alone, { n: 3 }, createTestRun())).toBe(3)
    expect(await loaded).toBe('loaded')
  })

  it('lets attempts wait for a process, and one that is aborted meanwhile go', async () => {
    const { pool, handler, outcome } = await openPool({ processes: 1 })
    const slow = await handler("ctx.log.info('on'); await ctx.sleep(60_000)")
    const quick = await handler('return n')
    const run = createTestRun()
    const ended = outcome(slow, {}, run)
    await expect.poll(() => run.lines, { timeout: 30_000 }).toEqual(['info on'])
    const waiting = createTestRun()
    const cancelled = outcome(quick, {}, waiting)
    const last = pool.run(quick, alone, { n: 7 }, createTestRun())
    waiting.abort('cancel')
    expect(await cancelled).toBe('cancel')
    run.abort('cancel')
    expect(await ended).toBe('cancel')
    expect(await last).toBe(7)
  })

  it('keeps to the concurrency of a job type', async () => {
    const { pool, handler } = await openPool()
    const source = await handler('const at = Date.now(); await ctx.sleep(30); return [at, Date.now()]')
    const rules = { isShared: true, concurrency: 1 }
    const ran = [1, 2, 3].map((n) => pool.run(source, rules, { n }, createTestRun({ id: `exe-${n}` })))
    const times = ((await Promise.all(ran)) as [number, number][]).sort(([a], [b]) => a - b)
    for (const [index, [from]] of times.entries()) expect(from).toBeGreaterThanOrEqual(times[index - 1]?.[1] ?? 0)
  })

  it('interrupts what is at work when it closes', async () => {
    const { pool, handler, outcome } = await openPool()
    const run = createTestRun()
    const ended = outcome(await handler("ctx.log.info('on'); await ctx.sleep(60_000)"), {}, run)
    await expect.poll(() => run.lines, { timeout: 30_000 }).toEqual(['info on'])
    await pool.close()
    expect(await ended).toBe('InterruptedRun')
  })
})
