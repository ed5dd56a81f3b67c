import type { ExecutionView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { monday, statusMessage } from '../fixtures.ts'
import { until, useWorld } from '../world.ts'

describe('an execution that did not run', () => {
  const world = useWorld()
  let count = 0

  const shown = async (
    state: 'ready' | 'skipped' | 'expired' | 'superseded' | 'lost' | 'succeeded',
    blockedBy: string | null,
  ) => {
    const created = await world.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY' })
    const job = await world.stores.jobs.find('usr-a', created.body.id)
    if (!job) throw new Error('the job is gone')
    const message = { ...statusMessage({ job, fireAt: monday + ++count, state }), blockedBy }
    await world.executor.publish(message)
    const read = () => world.call<ExecutionView>('GET', `/executions/${message.executionId}`)
    await until(async () => (await read()).status === 200)
    return (await read()).body
  }

  it('shows the reason, and the execution that blocked it', async () => {
    const skipped = await shown('skipped', 'exe-other')
    expect(skipped).toMatchObject({ status: 'SKIPPED', blockedBy: 'exe-other' })
    expect(skipped.statusReason).toBe(
      "The execution did not run because exe-other had not ended yet, and the job's overlap policy lets no more run or wait.",
    )
    expect((await shown('expired', null)).statusReason).toContain('could not be started in time')
    expect((await shown('superseded', null)).statusReason).toContain('the job was changed')
    expect((await shown('lost', null)).statusReason).toContain('must not run twice')
  })

  it('shows what it waits for while it waits for an overlap place', async () => {
    expect(await shown('ready', 'exe-other')).toMatchObject({
      status: 'SCHEDULED',
      waitingFor: 'place',
      blockedBy: 'exe-other',
      nextAttemptAt: null,
      statusReason: 'The execution waits for an overlap place, until exe-other has ended.',
    })
    expect(await shown('ready', null)).toMatchObject({ waitingFor: null, statusReason: null })
  })

  it('shows no reason for other statuses', async () => {
    expect((await shown('succeeded', null)).statusReason).toBeNull()
  })
})
