import { createManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { dummy } from '../../src/job-types/dummy.ts'
import { createTestContext } from './run-context.ts'

const parse = (params: unknown) => dummy.params.parse(params)

describe('DUMMY', () => {
  it('sleeps two seconds by default, and says so', async () => {
    const clock = createManualClock()
    const context = createTestContext({ clock })
    const run = dummy.run(parse({}), context)
    await clock.advance(1999)
    expect(context.logs).toEqual(['info Sleeping for 2000 ms'])
    await clock.advance(1)
    expect(await run).toEqual({ sleptMs: 2000 })
    expect(context.logs).toEqual(['info Sleeping for 2000 ms', 'info Awake again'])
  })

  it('needs neither a timer nor a signal nor a log line when it does not sleep', async () => {
    const clock = createManualClock()
    const context = createTestContext({ clock })
    const run = dummy.run(parse({ durationMs: 0, payload: { any: ['thing'] } }), context)
    expect(clock.pending()).toBe(0)
    expect(await run).toEqual({ sleptMs: 0 })
    expect(context.signalWasRead()).toBe(false)
    expect(context.logs).toEqual([])
  })

  it('wakes up at once on cancel and leaves no timer behind', async () => {
    const clock = createManualClock()
    const context = createTestContext({ clock })
    const run = dummy.run(parse({ durationMs: 86_400_000 }), context)
    const reason = new Error('cancelled')
    context.abort(reason)
    await expect(run).rejects.toBe(reason)
    expect(clock.pending()).toBe(0)
  })

  it('does not fall asleep when it was cancelled before', async () => {
    const clock = createManualClock()
    const context = createTestContext({ clock })
    const reason = new Error('cancelled')
    context.abort(reason)
    await expect(dummy.run(parse({}), context)).rejects.toBe(reason)
    expect(clock.pending()).toBe(0)
  })

  it('fails in the attempts of its list, and a retry may follow', async () => {
    const params = parse({ durationMs: 0, fail: [1, 3] })
    const failure = { code: 'told-to-fail', retry: 'policy' }
    await expect(dummy.run(params, createTestContext({ epoch: 1 }))).rejects.toMatchObject(failure)
    await expect(dummy.run(params, createTestContext({ epoch: 2 }))).resolves.toEqual({ sleptMs: 0 })
    await expect(dummy.run(params, createTestContext({ epoch: 3 }))).rejects.toMatchObject(failure)
  })

  it('fails as often as its probability says, and the same attempts every time', async () => {
    const failuresOf = async (fail: number) => {
      const runs = Array.from({ length: 1000 }, (_, i) =>
        dummy.run(parse({ durationMs: 0, fail }), createTestContext({ executionId: `exe-${i}` })),
      )
      return (await Promise.allSettled(runs)).map(({ status }) => status === 'rejected')
    }
    const counts = await Promise.all([0, 0.25, 1].map(failuresOf))
    const [never, sometimes, always] = counts.map((failures) => failures.filter(Boolean).length)
    expect(never).toBe(0)
    expect(sometimes).toBeGreaterThan(200)
    expect(sometimes).toBeLessThan(300)
    expect(always).toBe(1000)
    expect(await failuresOf(0.25)).toEqual(counts[1])
  })

  it.each([
    { durationMs: -1 },
    { durationMs: 1.5 },
    { durationMs: 86_400_001 },
    { durationMs: '2000' },
    { fail: 1.1 },
    { fail: -0.1 },
    { fail: [0] },
    { fail: 'always' },
    { sleep: 1 },
  ])('refuses %j', (params) => expect(dummy.params.safeParse(params).success).toBe(false))
})
