import type { JobExecuteMessage } from '@belfry/contracts'
import { cancelExecutionReply } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { command, executionId, start } from '../samples.ts'
import { type Call, openWorld, type World } from '../world.ts'

const soon = command({ fireAt: start + 100, params: { ms: 5000 } })

/** Takes as long as its params say, or until it is aborted. */
function run({ params, context }: Call): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = context.clock.callAfter(Number(params.ms), () => resolve(null))
    context.signal.addEventListener('abort', () => {
      timer.cancel()
      reject(context.signal.reason)
    })
  })
}

async function cancel(world: World, body: JobExecuteMessage | null = null, id = executionId()) {
  const answer = await world.internal('PUT', `/internal/executions/${id}/cancel`, { command: body })
  const { statusCode } = answer
  return { statusCode, body: statusCode === 200 ? cancelExecutionReply.parse(answer.json()) : answer.json() }
}

describe('the cancel of one execution', () => {
  it('ends one that waits, at once, and answers its state', async () => {
    const world = await openWorld({ run })
    // Later than the longest lead of a claim.
    await world.command({ ...soon, fireAt: start + 1000 })
    const { statusCode, body } = await cancel(world)
    expect([statusCode, body.state, body.cancelRequested]).toEqual([200, 'cancelled', true])
    await world.pass(1100, 10)
    expect(world.calls).toEqual([])
    expect(world.statuses.at(-1)).toMatchObject({ executionId: executionId(), state: 'cancelled', seq: body.seq })
  })

  it('ends one that is claimed and has not started', async () => {
    const world = await openWorld({ run, config: { executorIoConcurrency: 1 } })
    await world.command(soon, { ...soon, executionId: executionId(2) })
    await world.pass(200, 10)
    const waiting = executionId(world.calls[0]?.context.executionId === executionId() ? 2 : 1)
    expect((await cancel(world, null, waiting)).statusCode).toBe(200)
    await world.settle()
    expect(await world.read(waiting)).toMatchObject({ state: 'cancelled', attempts: [] })
    await world.pass(6000, 50)
    expect(world.calls).toHaveLength(1)
  })

  it('aborts one that runs, and says the same again afterwards', async () => {
    const world = await openWorld({ run })
    await world.command(soon)
    await world.pass(300, 10)
    expect((await cancel(world)).body).toMatchObject({ state: 'running', cancelRequested: true })
    await world.settle()
    const after = await world.read(executionId())
    expect(after).toMatchObject({ state: 'cancelled', attempts: [{ outcome: 'cancelled' }] })
    expect(await cancel(world)).toMatchObject({ statusCode: 200, body: { state: 'cancelled', seq: after.seq } })
  })

  it('is refused for one that has ended otherwise', async () => {
    const world = await openWorld()
    await world.command(soon)
    await world.pass(300, 10)
    const { statusCode, body } = await cancel(world)
    expect([statusCode, body.code, body.allowed]).toEqual([409, 'illegal-transition', []])
    expect(body.detail).toContain('SUCCESS')
    expect(await cancel(world, soon)).toMatchObject({ statusCode: 409 })
  })

  it.each([
    ['pause', 'cancelled'],
    ['update', 'superseded'],
  ] as const)(
    'of one that a change of its job has closed (%s) keeps a newer version from running it',
    async (kind, state) => {
      const world = await openWorld({ run })
      const later = { ...soon, fireAt: start + 2000 }
      await world.command(later)
      const change = { version: 2, changedAt: start + 1, kind, schedule: { kind: 'manual' } }
      await world.internal('PUT', `/internal/admissions/${soon.jobId}`, { changes: [change] })
      await world.pass(1000, 100)
      const closed = await world.read(executionId())
      expect(closed).toMatchObject({ state, cancelRequested: false })
      const first = await cancel(world)
      expect(first).toMatchObject({ statusCode: 200, body: { state: 'cancelled', cancelRequested: true } })
      expect(first.body.timeline.endedAt).toBe(closed.endedAt)
      expect(await cancel(world)).toEqual(first)
      await world.command({ ...later, version: 3 })
      await world.pass(2000, 100)
      expect(world.calls).toEqual([])
      expect(await world.read(executionId())).toMatchObject({ state: 'cancelled', version: 1, seq: first.body.seq })
    },
  )

  it('of one that is unknown is stored with its command, which then starts nothing', async () => {
    const world = await openWorld({ run })
    expect(await cancel(world)).toMatchObject({ statusCode: 404, body: { code: 'not-found' } })
    const first = await cancel(world, soon)
    expect(first).toMatchObject({ statusCode: 200, body: { state: 'cancelled', seq: 1, jobId: soon.jobId } })
    expect(first.body.timeline.endedAt).toBe(start)
    expect(await cancel(world, soon)).toEqual(first)
    await world.command(soon, { ...soon, version: 2 })
    await world.pass(300, 10)
    expect(world.calls).toEqual([])
    expect(await world.read(executionId())).toMatchObject({ state: 'cancelled', version: 1, seq: 1 })
    expect(world.statuses.at(-1)).toMatchObject({ state: 'cancelled', seq: 1 })
  })

  it('that comes together with its command lets it start nowhere, or asks it to end', async () => {
    const world = await openWorld({ run })
    const now = { ...soon, fireAt: start }
    const [answer] = await Promise.all([cancel(world, now), world.publish(now)])
    expect(answer).toMatchObject({ statusCode: 200, body: { cancelRequested: true } })
    await world.pass(100, 10)
    expect(await world.read(executionId())).toMatchObject({ state: 'cancelled', cancelRequested: true })
  })

  it.each([
    ['a command of another execution', { command: { ...soon, executionId: executionId(2) } }],
    ['no command at all', {}],
    ['an unknown field', { command: null, reason: 'x' }],
  ])('is refused with %s', async (_, body) => {
    const world = await openWorld()
    const answer = await world.internal('PUT', `/internal/executions/${executionId()}/cancel`, body)
    expect(answer.statusCode).toBe(400)
  })

  it('is for services only', async () => {
    const world = await openWorld()
    const url = `/internal/executions/${executionId()}/cancel`
    const answer = await world.service.app.inject({ method: 'PUT', url, payload: { command: null } })
    expect(answer.statusCode).toBe(401)
  })
})
