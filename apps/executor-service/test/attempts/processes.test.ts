import { InterruptedRun, JobFailure, type RunContext } from '@belfry/worker'
import { describe, expect, it } from 'vitest'
import { command, executionId, jobId, policy, start } from '../samples.ts'
import { openWorld, testHandler, type WorldOptions } from '../world.ts'

const due = { fireAt: start }
const once = policy({ timeoutMs: 2000, retry: { ...policy().retry, maxRetries: 0 } })

/** A handler as those of the handlers folder are: it may wait for a process, and can be ended by force. */
function openProcesses(run: (context: RunContext) => Promise<unknown>, more: Partial<WorldOptions> = {}) {
  const stopped: string[] = []
  const handler = {
    ...testHandler((_, context) => run(context)),
    type: 'OWN',
    waits: true,
    stop: (context: RunContext) => void stopped.push(context.executionId),
  }
  return { stopped, opening: openWorld({ handlers: [handler], ...more }) }
}
const owned = (change = {}) => command({ jobType: 'OWN', policy: once, ...due, ...change })

describe('an attempt that waits for a process', () => {
  it('has its whole time limit once its work begins', async () => {
    const { opening } = openProcesses(
      (context) =>
        new Promise((resolve, reject) => {
          context.signal.addEventListener('abort', () => reject(context.signal.reason))
          context.clock.callAfter(10_000, () => context.begin())
          if (context.executionId === executionId(1)) context.clock.callAfter(11_000, () => resolve('done'))
        }),
    )
    const world = await opening
    await world.command(owned({ executionId: executionId(1) }), owned({ executionId: executionId(2), jobId: jobId(2) }))
    await world.pass(11_500, 50)
    expect(await world.read(executionId(1))).toMatchObject({ state: 'succeeded', result: 'done' })
    expect((await world.read(executionId(2))).state).toBe('running')
    await world.pass(1000, 50)
    expect(await world.read(executionId(2))).toMatchObject({ state: 'failed', error: { code: 'timeout' } })
    const { data } = (await world.get(`/executions/${executionId(1)}/logs`)).json()
    expect(data[0].text).toMatch(/^Waited 10\d{3} ms for a process/)
  })

  it('is ended while it waits, when it is cancelled', async () => {
    const { opening } = openProcesses(
      ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    )
    const world = await opening
    await world.command(owned())
    await world.pass(50)
    const change = { version: 2, changedAt: start + 50, kind: 'cancel', schedule: { kind: 'manual' } }
    await world.internal('PUT', `/internal/admissions/${jobId()}`, { changes: [change] })
    await world.pass(1000, 50)
    expect((await world.read(executionId())).state).toBe('cancelled')
  })
})

describe('an attempt that goes on after the grace time of its abort', () => {
  it('is ended by force, and is not in doubt', async () => {
    const settles = new Map<string, (error: Error) => void>()
    const { stopped, opening } = openProcesses((context) => {
      context.begin()
      return new Promise((_, reject) => settles.set(context.executionId, reject))
    })
    const world = await opening
    await world.command(owned())
    await world.pass(2000 + 5000, 50)
    expect(stopped).toEqual([executionId()])
    expect((await world.read(executionId())).state).toBe('running')
    settles.get(executionId())?.(new JobFailure('timeout', 'Its process was ended.'))
    await world.pass(10)
    expect(await world.read(executionId())).toMatchObject({ state: 'failed', error: { code: 'timeout' }, inDoubt: [] })
  })

  it('gives up its slot a second later when even that does not help', async () => {
    const { opening } = openProcesses((context) => {
      context.begin()
      return new Promise(() => undefined)
    })
    const world = await opening
    await world.command(owned())
    await world.pass(2000 + 5000 + 900, 50)
    expect((await world.read(executionId())).state).toBe('running')
    await world.pass(200, 50)
    expect(await world.read(executionId())).toMatchObject({ state: 'failed', error: { code: 'timeout' } })
    expect(world.service.running()).toBe(0)
  })
})

describe('an attempt whose process was ended because of another one', () => {
  it('runs again at once, and nothing is charged', async () => {
    const { opening } = openProcesses(async (context) => {
      context.begin()
      if (context.epoch < 3) throw new InterruptedRun('The process was ended.')
      return context.epoch
    })
    const world = await opening
    await world.command(owned())
    await world.pass(1500, 10)
    const record = await world.read(executionId())
    expect(record).toMatchObject({ state: 'succeeded', result: 3, failures: 0, losses: 0, inDoubt: [] })
    expect(record.attempts.map((one) => one.outcome)).toEqual(['interrupted', 'interrupted', 'succeeded'])
  })

  it('runs again, too, when its own time limit passed while the process was blocked', async () => {
    const { opening } = openProcesses((context) => {
      context.begin()
      if (context.epoch > 1) return Promise.resolve('done')
      const { promise, reject } = Promise.withResolvers<never>()
      context.signal.addEventListener('abort', () => reject(new InterruptedRun('The process was ended.')))
      return promise
    })
    const world = await opening
    await world.command(owned())
    await world.pass(3000, 50)
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded', failures: 0, losses: 0 })
  })
})

describe('a checkpoint', () => {
  it('reaches the next attempt, also in another process; a newer version of the job begins anew', async () => {
    const seen: unknown[] = []
    const run = async (context: RunContext) => {
      context.begin()
      const state = await context.resume()
      seen.push(state)
      await context.checkpoint(JSON.stringify({ at: (state ? JSON.parse(state).at : 0) + 1 }))
      if (context.epoch % 2 === 1) throw new Error('again')
    }
    const first = await openProcesses(run).opening
    const retried = policy({ retry: { ...policy().retry, delayMs: 60_000, maxDelayMs: 60_000 } })
    await first.command(
      owned({ policy: retried }),
      owned({ policy: retried, executionId: executionId(2), jobId: jobId(2) }),
    )
    await first.pass(100)
    expect(seen).toEqual([undefined, undefined])
    await first.kill()
    const { clock, db, stores } = first
    const second = await openProcesses(run, { clock, db }).opening
    expect(stores).not.toBe(second.stores)
    await second.command(owned({ policy: retried, executionId: executionId(2), jobId: jobId(2), version: 2 }))
    await second.pass(61_000, 100)
    expect(seen.slice(2).sort()).toEqual(['{"at":1}', undefined])
    expect((await second.get(`/executions/${executionId()}/artifacts/.checkpoint`)).statusCode).toBe(404)
  })
})
