import { createManualClock } from '@belfry/service'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineJob, fatal, retryAfter } from '../src/index.ts'
import { createTestClock, runJob } from '../src/testing/index.ts'

const count = defineJob({
  type: 'COUNT',
  title: 'Count',
  params: z.object({ upTo: z.int().min(1), failAt: z.int().optional() }),
  result: z.object({ counted: z.int() }),
  async run({ upTo, failAt }, ctx) {
    let counted = (await ctx.resume<number>()) ?? 0
    for (; counted < upTo; counted++) {
      if (counted === failAt && ctx.epoch === 1) throw new Error(`cannot count beyond ${counted}`)
      await ctx.checkpoint(counted + 1)
      ctx.progress((counted + 1) / upTo, `at ${counted + 1}`)
      await ctx.sleep(1000)
    }
    ctx.log('info', 'done')
    ctx.artifact('count.txt', 'text/plain', String(counted))
    return { counted }
  },
})

const plain = (run: Parameters<typeof defineJob>[0]['run']) =>
  defineJob({ type: 'PLAIN', title: 'Plain', params: z.object({}), run })

describe('runJob', () => {
  it('runs a handler with parsed params, and reports its result, log and files', async () => {
    const report = await runJob(count, { upTo: 2 })
    expect(report).toMatchObject({ status: 'SUCCESS', result: { counted: 2 }, error: null, checkpoint: 2 })
    expect(report.logs.map(({ text }) => text)).toEqual(['50 % at 1', '100 % at 2', 'done'])
    expect(Buffer.from(report.artifacts.get('count.txt')!.body).toString()).toBe('2')
  })

  it('tries again after a failure, and resumes from the checkpoint', async () => {
    const report = await runJob(count, { upTo: 4, failAt: 2 }, { attempts: 2 })
    expect(report.attempts.map(({ epoch, outcome }) => [epoch, outcome])).toEqual([
      [1, 'failed'],
      [2, 'succeeded'],
    ])
    expect(report.logs.filter(({ epoch }) => epoch === 2).map(({ text }) => text)).toEqual([
      '75 % at 3',
      '100 % at 4',
      'done',
    ])
  })

  it('ends attempts as the loss of an executor does, which is no failure', async () => {
    const report = await runJob(count, { upTo: 5 }, { killAfter: [2, 1] })
    expect(report).toMatchObject({ status: 'SUCCESS', result: { counted: 5 } })
    expect(report.attempts.map(({ outcome }) => outcome)).toEqual(['killed', 'killed', 'succeeded'])
  })

  it('refuses params that the schema refuses, by name and without another attempt', async () => {
    const report = await runJob(count, { upTo: 0 }, { attempts: 3 })
    expect(report.attempts).toHaveLength(1)
    expect(report.error?.code).toBe('params-invalid')
    expect(report.error?.message).toContain('upTo: ')
  })

  it('obeys fatal and retryAfter', async () => {
    const clock = createTestClock()
    const later = plain((_, ctx) => {
      if (ctx.epoch === 1) throw retryAfter(60_000, 'busy', 'try later')
      throw fatal('gone', 'it is gone')
    })
    const report = await runJob(later, {}, { attempts: 5, clock })
    expect(report.attempts.map(({ error }) => error?.code)).toEqual(['busy', 'gone'])
    expect(clock.passed()).toBe(60_000)
  })

  it.each([
    ['a result that does not fit its schema', 'result-invalid', defineJob({ ...count, run: () => ({ counted: 0.5 }) })],
    ['a result that is too large', 'result-too-large', plain(() => 'x'.repeat(70_000))],
    ['a result that is no JSON', 'result-not-json', plain(() => 1n)],
    ['a checkpoint that is too large', 'checkpoint-too-large', plain((_, ctx) => ctx.checkpoint('x'.repeat(70_000)))],
    ['a checkpoint that is no JSON', 'checkpoint-not-json', plain((_, ctx) => ctx.checkpoint(() => 1))],
    [
      'an artifact with a path as its name',
      'artifact-invalid',
      plain((_, ctx) => ctx.artifact('../x', 'text/plain', '')),
    ],
  ])('fails for good on %s', async (_, code, job) => {
    const report = await runJob(job as typeof count, { upTo: 1 }, { attempts: 3 })
    expect(report.attempts.map(({ error }) => error?.code)).toEqual([code])
  })

  it('waits by a clock of the test', async () => {
    const clock = createManualClock(Date.UTC(2026, 0, 1))
    const running = runJob(
      plain(async (_, ctx) => ctx.sleep(5000).then(() => ctx.now())),
      {},
      { clock },
    )
    for (let turns = 0; turns < 3; turns++) await new Promise<void>((resolve) => setImmediate(resolve))
    await clock.advance(5000)
    expect((await running).result).toBe(clock.now())
  })

  it('gives keys that are the same for all attempts', async () => {
    const keys: string[] = []
    const job = plain((_, ctx) => {
      keys.push(ctx.idempotencyKey(), ctx.idempotencyKey('mail'))
      throw new Error('again')
    })
    await runJob(job, {}, { attempts: 2 })
    expect(keys).toEqual(['exe-test', 'exe-test:mail', 'exe-test', 'exe-test:mail'])
  })
})

describe('defineJob', () => {
  it('gives `run` the params that the schema gives, and the examples those that it takes', () => {
    const job = defineJob({
      type: 'TYPED',
      title: 'Typed',
      params: z.object({ at: z.string().transform((text) => new Date(text)), n: z.int().default(1) }),
      examples: [{ at: '2026-01-01' }],
      run({ at, n }, ctx) {
        expectTypeOf(at).toEqualTypeOf<Date>()
        expectTypeOf(n).toEqualTypeOf<number>()
        return `${ctx.epoch} ${at.toISOString()} ${n}`
      },
    })
    expectTypeOf<Awaited<ReturnType<typeof job.run>>>().toEqualTypeOf<string>()
    expect(job.type).toBe('TYPED')
  })
})
