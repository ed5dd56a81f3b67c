import { soleShare } from '@belfry/storage'
import { fatal, type Handler, retryAfter } from '@belfry/worker'
import { describe, expect, it } from 'vitest'
import { command, executionId, jobId, policy, start } from '../samples.ts'
import { openWorld, testHandler } from '../world.ts'

const inMs = (ms: number) => ({ fireAt: start + ms })

describe('an execution', () => {
  it('starts on its millisecond, however its command came', async () => {
    const world = await openWorld()
    await world.command(
      command({ executionId: executionId(1), ...inMs(4321) }),
      command({ executionId: executionId(2), ...inMs(300) }),
      command({ executionId: executionId(3), ...inMs(-50) }),
    )
    expect(world.calls.map((one) => one.at)).toEqual([start])
    await world.pass(5000)
    expect(world.calls.map((one) => [one.context.executionId, one.at])).toEqual([
      [executionId(3), start],
      [executionId(2), start + 300],
      [executionId(1), start + 4321],
    ])
    const record = await world.read(executionId(1))
    expect(record).toMatchObject({ state: 'succeeded', epoch: 1, endedAt: start + 4321 })
    expect(record.attempts).toHaveLength(1)
  })

  it('starts on its millisecond after a long quiet, too', async () => {
    const world = await openWorld()
    for (let number = 1; number <= 8; number++) {
      await world.pass(1600, 50)
      const fireAt = world.clock.now() + 510 + number
      await world.command(command({ executionId: executionId(number), fireAt }))
      await world.pass(540)
      expect(world.calls.at(-1)).toMatchObject({ at: fireAt, context: { executionId: executionId(number) } })
    }
  })

  it('publishes each of its states once, from the first to the last', async () => {
    const world = await openWorld({ run: () => ({ found: 3 }) })
    // The relay's own turns are at 1,000 and 2,000: one while the execution waits for its time would publish its claim.
    await world.command(command(inMs(1200)))
    await world.pass(1300)
    expect(world.statuses.map((one) => [one.state, one.seq])).toEqual([
      ['ready', 1],
      ['succeeded', 3],
    ])
    expect(world.statuses.at(-1)).toMatchObject({
      result: { found: 3 },
      timeline: { plannedAt: start, sentAt: start, admittedAt: start, startedAt: start + 1200, endedAt: start + 1200 },
      attempts: [{ epoch: 1, startedAt: start + 1200, endedAt: start + 1200, outcome: 'succeeded', error: null }],
    })
    expect((await world.stores.executions.listUnpublished({ rows: 10, bytes: 1e6 }, soleShare)).rows).toEqual([])
  })

  it('gets its params, its key and its fire time', async () => {
    const world = await openWorld()
    await world.command(command({ ...inMs(0), params: { a: [1] } }))
    const [call] = world.calls
    expect(call?.params).toEqual({ a: [1] })
    expect(call?.context).toMatchObject({
      executionId: executionId(),
      idempotencyKey: executionId(),
      jobId: jobId(),
      epoch: 1,
      fireAt: start,
    })
  })

  it('is tried again with growing waits and one key, and then is a dead letter', async () => {
    const world = await openWorld({
      run: () => {
        throw new Error('broken')
      },
    })
    const retry = { ...policy().retry, delayMs: 200 }
    await world.command(command({ ...inMs(0), policy: policy({ retry }) }))
    await world.pass(1600)
    expect(world.calls.map((one) => one.at - start)).toEqual([0, 200, 600, 1400])
    expect(new Set(world.calls.map((one) => one.context.idempotencyKey)).size).toBe(1)
    expect(world.calls.map((one) => one.context.epoch)).toEqual([1, 2, 3, 4])
    const record = await world.read(executionId())
    expect(record).toMatchObject({ state: 'failed', failures: 4, error: { code: 'handler-error', message: 'broken' } })
    expect(world.deadLetters).toHaveLength(1)
    expect(world.deadLetters[0]).toMatchObject({ kind: 'execution', jobId: jobId(), execution: { state: 'failed' } })
    expect(await world.metric('belfry_retries_total')).toEqual([expect.stringMatching(/job_type="TEST"\} 3$/)])
  })

  it('obeys a handler that wants no retry, or one later', async () => {
    const world = await openWorld({
      run: ({ params }) => {
        throw params.fatal ? fatal('gone', 'No more.') : retryAfter(777, 'busy', 'Later.')
      },
    })
    await world.command(
      command({ ...inMs(0), executionId: executionId(1), params: { fatal: true } }),
      command({ ...inMs(0), executionId: executionId(2) }),
    )
    await world.pass(800)
    expect(await world.read(executionId(1))).toMatchObject({ state: 'failed', error: { code: 'gone' } })
    expect(world.calls.filter((one) => !one.params.fatal).map((one) => one.at - start)).toEqual([0, 777])
  })

  const poison: [string, () => unknown][] = [
    ['throws undefined', () => Promise.reject(undefined)],
    ['throws a text', () => Promise.reject('ouch')],
    [
      'throws what cannot be read',
      () =>
        Promise.reject(
          new Proxy(new Error('x'), {
            get() {
              throw new Error('no')
            },
          }),
        ),
    ],
    ['resolves to a thing that is no JSON', () => 1n],
    ['resolves to too much', () => 'x'.repeat(70_000)],
    [
      'resolves to a trap',
      () => ({
        toJSON() {
          throw new Error('no')
        },
      }),
    ],
  ]
  it.each(poison)('fails, and nothing else does, when its handler %s', async (_, run) => {
    const world = await openWorld({ run: ({ params }) => (params.good ? 'fine' : run()) })
    const none = policy({ retry: { ...policy().retry, maxRetries: 0 } })
    await world.command(
      command({ ...inMs(0), executionId: executionId(1), policy: none }),
      command({ ...inMs(0), executionId: executionId(2), params: { good: true } }),
    )
    expect(await world.read(executionId(1))).toMatchObject({ state: 'failed' })
    expect(await world.read(executionId(2))).toMatchObject({ state: 'succeeded', result: 'fine' })
  })

  it('that is too late for its job ends as expired', async () => {
    const world = await openWorld()
    await world.command(command({ fireAt: start - 1000, expiresAt: start - 1 }))
    await world.pass(600)
    expect(world.calls).toEqual([])
    expect(await world.read(executionId())).toMatchObject({ state: 'expired', attempts: [] })
  })

  it('whose command was planned before the retention is answered, and does not run', async () => {
    const world = await openWorld()
    await world.command(command({ ...inMs(0), plannedAt: start - 30 * 86_400_000 }))
    await world.pass(600)
    expect(world.calls).toEqual([])
    expect(world.statuses.map((one) => one.state)).toEqual(['expired'])
  })
})

describe('an attempt that takes too long', () => {
  const once = policy({ timeoutMs: 1000, retry: { ...policy().retry, maxRetries: 0 } })

  it('is aborted and recorded as timed-out', async () => {
    const world = await openWorld({
      run: ({ context }) =>
        new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason))),
    })
    await world.command(command({ ...inMs(0), policy: once }))
    await world.pass(1000, 10)
    const record = await world.read(executionId())
    expect(record).toMatchObject({ state: 'failed', error: { code: 'timeout' }, endedAt: start + 1000 })
    expect(record.attempts[0]).toMatchObject({ outcome: 'timed-out' })
  })

  it('still succeeds when its result comes within the grace time', async () => {
    const world = await openWorld({
      run: ({ context }) => new Promise((resolve) => context.clock.callAfter(1500, () => resolve('late'))),
    })
    await world.command(command({ ...inMs(0), policy: once }))
    await world.pass(1600, 10)
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded', result: 'late' })
  })

  it('loses its slot when it does not obey, and what it says later counts for nothing', async () => {
    const config = { executorIoConcurrency: 1, executorAbortGraceMs: 500 }
    const world = await openWorld({
      config,
      run: ({ context, params }) =>
        params.deaf ? new Promise((resolve) => context.clock.callAfter(9000, () => resolve('too late'))) : 'next',
    })
    await world.command(
      command({ ...inMs(0), policy: once, params: { deaf: true } }),
      command({ ...inMs(0), executionId: executionId(2) }),
    )
    await world.pass(1400, 10)
    expect(world.calls).toHaveLength(1)
    await world.pass(200, 10)
    expect(await world.read(executionId(2))).toMatchObject({ state: 'succeeded' })
    expect(await world.read(executionId())).toMatchObject({ state: 'failed', error: { code: 'timeout' } })
    await world.pass(8000, 100)
    expect(await world.read(executionId())).toMatchObject({ state: 'failed', result: null })
    expect(await world.metric('belfry_stale_completions_total')).toEqual([expect.stringMatching(/ 1$/)])
  })
})

describe('slots', () => {
  it('go by priority and then by age', async () => {
    const release: (() => void)[] = []
    const world = await openWorld({
      config: { executorIoConcurrency: 1, executorClaimAhead: 2 },
      run: () => new Promise<void>((resolve) => release.push(resolve)),
    })
    const numbered = (number: number, priority: number, fireAt = 0) =>
      command({ executionId: executionId(number), priority, ...inMs(fireAt), params: { number } })
    await world.command(numbered(1, 5))
    await world.command(...[2, 3, 4, 5, 6].map((number) => numbered(number, 5, number)), numbered(7, 1, 8))
    await world.pass(300)
    for (let i = 0; i < 7; i++) {
      for (const done of release.splice(0)) done()
      await world.pass(300)
    }
    const order = world.calls.map((one) => one.params.number)
    // The urgent one overtakes all that wait, also those that were claimed before it.
    expect(order).toEqual([1, 2, 7, 3, 4, 5, 6])
  })

  it('of one kind are no concern of the other', async () => {
    const computing: Handler = { ...testHandler(() => new Promise(() => undefined)), type: 'CPU', slots: 'cpu' }
    const config = {
      executorConcurrency: 1,
      executorClaimAhead: 0,
      executorPollRows: 2,
      shutdownGraceMs: 0,
      executorAbortGraceMs: 0,
    }
    const world = await openWorld({ handlers: [computing], config })
    const busy = [1, 2, 3, 4, 5].map((number) =>
      command({ executionId: executionId(number), jobType: 'CPU', priority: 1, ...inMs(0) }),
    )
    await world.command(...busy)
    await world.command(command({ executionId: executionId(9), ...inMs(0) }))
    await world.pass(10)
    expect(await world.read(executionId(9))).toMatchObject({ state: 'succeeded' })
    const states = await Promise.all(busy.map(async (one) => (await world.read(one.executionId)).state))
    expect(states).toEqual(['running', 'ready', 'ready', 'ready', 'ready'])
  })

  it('are used by many at a time, and each runs once', async () => {
    const world = await openWorld({ config: { executorClaimAhead: 20 } })
    const many = Array.from({ length: 700 }, (_, i) => command({ executionId: executionId(i + 1), ...inMs(i % 3) }))
    await world.command(...many)
    await world.pass(900)
    expect(new Set(world.calls.map((one) => one.context.executionId)).size).toBe(700)
    expect(world.calls).toHaveLength(700)
    expect(await world.stores.executions.listHeld('any')).toEqual([])
  })
})

describe('what a handler leaves behind', () => {
  it('is stored before its end is', async () => {
    const world = await openWorld({
      run: ({ context }) => {
        context.log('info', 'one')
        context.artifact('a.txt', 'text/plain', 'hello')
        return 'done'
      },
    })
    world.failing.add('artifacts.put')
    await world.command(command(inMs(0)))
    await world.pass(700, 10)
    expect(await world.read(executionId())).toMatchObject({ state: 'running' })
    world.failing.clear()
    await world.pass(1500, 10)
    expect(await world.read(executionId())).toMatchObject({
      state: 'succeeded',
      artifacts: [{ name: 'a.txt', bytes: 5 }],
    })
    expect((await world.get(`/executions/${executionId()}/logs`)).json().data).toHaveLength(1)
    expect(world.calls).toHaveLength(1)
  })

  it('can be read while it still runs', async () => {
    const world = await openWorld({
      run: ({ context }) => {
        context.log('warn', 'under way')
        return new Promise(() => undefined)
      },
      config: { shutdownGraceMs: 0, executorAbortGraceMs: 0 },
    })
    await world.command(command(inMs(0)))
    await world.pass(600, 50)
    const answer = await world.get(`/executions/${executionId()}/logs`)
    expect(answer.json().data).toEqual([
      { seq: 1, epoch: 1, at: new Date(start).toISOString(), level: 'warn', text: 'under way' },
    ])
  })

  it('is cut off with a line that says so', async () => {
    const world = await openWorld({
      config: { executorLogLines: 3, executorLogLineBytes: 64 },
      run: ({ context }) => {
        for (let i = 0; i < 10; i++) context.log('info', `line ${i} ${'x'.repeat(i === 0 ? 500 : 0)}`)
      },
    })
    await world.command(command(inMs(0)))
    const { data } = (await world.get(`/executions/${executionId()}/logs`)).json()
    expect(data.map((one: { text: string }) => one.text.slice(0, 20))).toEqual([
      'line 0 xxxxxxxxxxxxx',
      'line 1 ',
      'line 2 ',
      'The log is truncated',
    ])
    expect(data[0].text.endsWith('… (truncated)')).toBe(true)
  })

  it('is refused when it is too large or has no proper name', async () => {
    const tries: [string, unknown][] = [
      ['../etc/passwd', 'x'],
      ['a.txt', 'x'.repeat(11)],
      ['a.txt', 7],
    ]
    const world = await openWorld({
      config: { executorArtifactBytes: 10 },
      run: ({ context, params }) => {
        const [name, body] = tries[Number(params.number)] as [string, string]
        context.artifact(name, 'text/plain', body)
      },
    })
    const all = tries.map((_, number) =>
      command({ ...inMs(0), executionId: executionId(number + 1), params: { number } }),
    )
    await world.command(...all)
    const codes = await Promise.all(tries.map(async (_, i) => (await world.read(executionId(i + 1))).error?.code))
    expect(codes).toEqual(['artifact-invalid', 'artifact-too-large', 'artifact-invalid'])
  })
})
