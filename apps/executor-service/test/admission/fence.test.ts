import { type FenceReply, isRefusal, type JobChange } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { lose } from '../../src/executions/transitions.ts'
import { command, executionId, jobId, policy, start } from '../samples.ts'
import { openWorld, type World } from '../world.ts'

const change = (version: number, kind: JobChange['kind'], changedAt = start): JobChange => ({
  version,
  kind,
  changedAt,
  schedule: { kind: 'manual' },
})
const cancel = [change(1, 'create', start - 1000), change(2, 'cancel')]
const inMs = (ms: number) => ({ fireAt: start + ms })

async function fence(world: World, changes: JobChange[], job = jobId()): Promise<FenceReply> {
  const answer = await world.internal('PUT', `/internal/admissions/${job}`, { changes })
  expect(answer.statusCode).toBe(200)
  await world.settle()
  return answer.json()
}

const obedient = (world: { context: { signal: AbortSignal } }) =>
  new Promise((_, reject) => {
    const { signal } = world.context
    signal.addEventListener('abort', () => reject(signal.reason))
  })

describe('the fence', () => {
  it('ends what waits, and lets nothing older start afterwards', async () => {
    const world = await openWorld()
    await world.command(command(inMs(400)))
    const reply = await fence(world, cancel)
    expect(reply).toEqual({ fencedVersion: 2, inFlight: [] })
    await world.command(command({ executionId: executionId(2), ...inMs(0) }))
    await world.pass(500)
    expect(world.calls).toEqual([])
    for (const number of [1, 2]) {
      expect(await world.read(executionId(number))).toMatchObject({ state: 'cancelled', attempts: [], failures: 0 })
    }
    expect(world.statuses.map((one) => [one.executionId, one.state]).at(-1)).toEqual([executionId(2), 'cancelled'])
  })

  it('lists running executions and aborts them at once, and they end cancelled', async () => {
    const world = await openWorld({ run: obedient })
    await world.command(command(inMs(0)))
    await world.pass(110)
    const reply = await fence(world, cancel)
    expect(reply.inFlight).toEqual([{ executionId: executionId(), epoch: 1, status: 'RUNNING' }])
    expect(await world.read(executionId())).toMatchObject({ state: 'cancelled', cancelRequested: true, failures: 0 })
    expect(world.calls).toHaveLength(1)
  })

  it('of a pause lets running executions go on', async () => {
    const world = await openWorld({
      run: ({ context }) => new Promise((resolve) => context.clock.callAfter(100, () => resolve('done'))),
    })
    await world.command(command(inMs(0)))
    const reply = await fence(world, [change(2, 'pause')])
    expect(reply.inFlight).toHaveLength(1)
    await world.pass(150)
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded' })
  })

  it('of an update closes later fire times of older versions, and no trigger', async () => {
    const world = await openWorld()
    await world.command(
      command({ executionId: executionId(1), ...inMs(100) }),
      command({ executionId: executionId(2), ...inMs(300) }),
      command({ executionId: executionId(3), ...inMs(300), cause: 'manual' }),
      command({ executionId: executionId(4), ...inMs(300), version: 2 }),
    )
    await fence(world, [change(2, 'update', start + 200)])
    await world.pass(600)
    const states = await Promise.all([1, 2, 3, 4].map(async (number) => (await world.read(executionId(number))).state))
    expect(states).toEqual(['succeeded', 'superseded', 'succeeded', 'succeeded'])
  })

  it('ends the wait for a retry', async () => {
    const world = await openWorld({
      run: () => {
        throw new Error('broken')
      },
    })
    await world.command(command(inMs(0)))
    expect(await world.read(executionId())).toMatchObject({ state: 'ready', failures: 1 })
    await fence(world, cancel)
    await world.pass(6000, 50)
    expect(await world.read(executionId())).toMatchObject({ state: 'cancelled' })
    expect(world.calls).toHaveLength(1)
  })

  it('reaches an execution between its claim and its start', async () => {
    const world = await openWorld({ config: { executorClaimLeadMinMs: 40, executorClaimLeadMaxMs: 50 } })
    await world.command(command(inMs(300)))
    await world.pass(280)
    expect(await world.read(executionId())).toMatchObject({ state: 'running', epoch: 1 })
    await fence(world, cancel)
    await world.pass(100)
    expect(world.calls).toEqual([])
    expect(await world.read(executionId())).toMatchObject({ state: 'cancelled', attempts: [] })
  })

  it('leaves a newer version as it is, also one that comes for the same fire time', async () => {
    const world = await openWorld()
    await world.command(command(inMs(300)))
    await fence(world, [change(2, 'pause'), change(3, 'resume', start + 100)])
    await world.pass(1)
    expect(await world.read(executionId())).toMatchObject({ state: 'cancelled' })
    await world.command(command({ ...inMs(300), version: 3 }))
    await world.pass(400)
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded', version: 3 })
    expect(world.calls).toHaveLength(1)
  })

  it('of a cancel that comes late lists a run of a newer version, and does not ask it to end', async () => {
    const world = await openWorld({ run: obedient })
    await world.command(command({ version: 3, ...inMs(0) }))
    await world.pass(110)
    const reply = await fence(world, cancel)
    expect(reply.inFlight).toEqual([{ executionId: executionId(), epoch: 1, status: 'RUNNING' }])
    expect(await world.read(executionId())).toMatchObject({ state: 'running', cancelRequested: false })
  })

  it('lists epochs that were lost within the last hour, also of executions that have ended', async () => {
    const world = await openWorld({
      run: () => new Promise(() => undefined),
      config: { shutdownGraceMs: 0, executorAbortGraceMs: 0 },
    })
    await world.command(command({ ...inMs(0), policy: policy({ onLostLease: 'fail' }) }))
    const [stored] = await world.stores.executions.find([executionId()])
    const lost = lose(stored!.execution, { epoch: 1, at: start, inDoubt: true })
    if (isRefusal(lost)) throw new Error(lost.detail)
    await world.stores.executions.compareAndSetMany(
      'lose',
      [{ rowId: stored!.rowId, from: stored!.execution, to: lost }],
      start,
    )
    expect((await fence(world, cancel)).inFlight).toEqual([{ executionId: executionId(), epoch: 1, status: 'LOST' }])
    world.clock.step(3_600_001)
    expect((await fence(world, cancel)).inFlight).toEqual([])
  })

  it('answers the same when it is repeated, and touches no other job', async () => {
    const world = await openWorld()
    await world.command(command({ executionId: executionId(2), jobId: jobId(2), ...inMs(200) }))
    expect(await fence(world, cancel)).toEqual(await fence(world, cancel))
    await world.pass(300)
    expect(await world.read(executionId(2))).toMatchObject({ state: 'succeeded' })
  })

  it('is for services, and for jobs', async () => {
    const world = await openWorld()
    const url = `/internal/admissions/${jobId()}`
    const open = await world.service.app.inject({ method: 'PUT', url, payload: { changes: cancel } })
    expect(open.statusCode).toBe(401)
    for (const [path, payload] of [
      ['/internal/admissions/no-job', { changes: cancel }],
      [url, { changes: [] }],
      [url, { changes: [{ ...change(2, 'cancel'), version: 'x' }] }],
    ] as const) {
      expect((await world.internal('PUT', path, payload)).statusCode).toBe(400)
    }
  })
})

describe('an execution of a job that does not overlap', () => {
  const skip = policy({ overlap: { policy: 'skip', limit: 1 } })
  const numbered = (number: number, ms: number, more = {}) =>
    command({ executionId: executionId(number), ...inMs(ms), policy: { ...skip, ...more } })
  const lasting =
    (ms: number) => (call: { context: { clock: { callAfter(ms: number, done: () => void): unknown } } }) =>
      new Promise<void>((resolve) => void call.context.clock.callAfter(ms, () => resolve()))

  it('is skipped while another one runs, and names it', async () => {
    const world = await openWorld({ run: lasting(500) })
    await world.command(numbered(1, 100), numbered(2, 300), numbered(3, 700))
    await world.pass(1300)
    expect(world.calls.map((one) => one.context.executionId)).toEqual([executionId(1), executionId(3)])
    expect(await world.read(executionId(2))).toMatchObject({
      state: 'skipped',
      blockedBy: executionId(1),
      attempts: [],
    })
  })

  it('is asked for again at leisure while its admission cannot be stored, and holds up no other', async () => {
    const world = await openWorld()
    world.failing.add('admissions.place')
    const other = command({ executionId: executionId(2), ...inMs(0) })
    await world.command(numbered(1, 0), other)
    await world.pass(2500, 50)
    expect((await world.read(executionId(1))).epoch).toBeLessThan(5)
    expect(await world.read(executionId(2))).toMatchObject({ state: 'succeeded', epoch: 1 })
    world.failing.clear()
    await world.pass(1100, 50)
    expect(await world.read(executionId(1))).toMatchObject({ state: 'succeeded', losses: 0 })
    expect(world.calls).toHaveLength(2)
  })

  it('is skipped when both come in one batch, the later one', async () => {
    const world = await openWorld({ run: lasting(300) })
    await world.command(numbered(2, -5), numbered(1, -10))
    await world.pass(400)
    expect(await world.read(executionId(1))).toMatchObject({ state: 'succeeded' })
    expect(await world.read(executionId(2))).toMatchObject({ state: 'skipped', blockedBy: executionId(1) })
  })

  it('keeps its place while it waits for a retry', async () => {
    const retry = { ...policy().retry, delayMs: 500, maxRetries: 1 }
    const world = await openWorld({
      run: ({ context }) => {
        if (context.epoch === 1 && context.executionId === executionId(1)) throw new Error('broken')
      },
    })
    await world.command(numbered(1, 0, { retry }), numbered(2, 100), numbered(3, 800))
    await world.pass(1000)
    const states = await Promise.all([1, 2, 3].map(async (number) => (await world.read(executionId(number))).state))
    expect(states).toEqual(['succeeded', 'skipped', 'succeeded'])
  })

  it('runs together with as many others as the limit says', async () => {
    const two = { overlap: { policy: 'skip' as const, limit: 2 } }
    const world = await openWorld({ run: lasting(500) })
    await world.command(numbered(1, 100, two), numbered(2, 200, two), numbered(3, 300, two))
    await world.pass(900)
    const states = await Promise.all([1, 2, 3].map(async (number) => (await world.read(executionId(number))).state))
    expect(states).toEqual(['succeeded', 'succeeded', 'skipped'])
  })
})
