import type {
  DeliveryView,
  ExecutionState,
  JobStatusView,
  JobView,
  NotificationView,
  NotificationWithSecret,
  Page,
  Problem,
} from '@belfry/contracts'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { monday, statusMessage } from '../fixtures.ts'
import { isSignedBy, startTarget, type Target } from '../webhook-target.ts'
import { openWorld, pointersOf, until, useWorld, type World } from '../world.ts'

const minute = 60_000

let target: Target
beforeAll(async () => {
  target = await startTarget()
})
afterEach(() => {
  target.received.length = 0
  target.always({ status: 204 })
})
afterAll(() => target.close())

/** Lets loops run until the target has received so many messages, and what follows of them is stored. */
async function messages(world: World, count: number) {
  await world.pass(2)
  await until(async () => {
    await world.clock.advance(10)
    return target.received.length >= count
  })
  await world.pass(1)
  return target.received
}

function actionsOn(world: World, user = 'usr-a') {
  let made = 0
  const options = { user }
  const notify = async (body: object) => {
    const about = { name: 'hook', on: ['failed'], target: { type: 'webhook', url: target.url } }
    const answer = await world.call<NotificationWithSecret>('POST', '/notifications', { ...about, ...body }, options)
    expect(answer.status, JSON.stringify(answer.body)).toBe(201)
    return answer.body
  }
  const makeJob = async (body: object = {}) => {
    const { body: job } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', ...body }, options)
    return job
  }
  /** An execution of the job that has ended like this, now. */
  const end = async (job: JobView, state: ExecutionState, { version = job.version, message = 'out of order' } = {}) => {
    await world.clock.advance(1)
    const fireAt = world.clock.now() + made++
    const stored = { id: job.id, ownerId: user, spec: { jobType: job.jobType } } as never
    const status = statusMessage({ job: stored, fireAt, state, version, endedAt: fireAt + 1 })
    const error = state === 'failed' ? { code: 'broken', message } : null
    await world.executor.publish({ ...status, error })
    return status.executionId
  }
  const deliveriesOf = async ({ id }: { id: string }) =>
    (await world.call<Page<DeliveryView>>('GET', `/notifications/${id}/deliveries`, undefined, options)).body.data
  return { notify, makeJob, end, deliveriesOf }
}

const open = { jobNotifyAllowPrivate: 'true' } as never

describe('a notification', () => {
  const world = useWorld(open)
  const call: World['call'] = (...args) => world.call(...args)

  it('is made, read, listed, changed and deleted by its owner alone, and shows its key once', async () => {
    const { notify } = actionsOn(world)
    const made = await notify({ tag: 'nightly', on: ['failed', 'recovered'] })
    expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(made).toMatchObject({
      tag: 'nightly',
      jobId: null,
      enabled: true,
      target: { type: 'webhook', url: target.url },
    })
    const path = `/notifications/${made.id}`
    const { secret: _, ...shown } = made
    expect((await call<NotificationView>('GET', path)).body).toEqual(shown)
    const patched = await call<NotificationView>('PATCH', path, { name: 'other', tag: null, enabled: false })
    expect(patched.body).toMatchObject({ name: 'other', tag: null, enabled: false, on: ['failed', 'recovered'] })
    for (const [method, body] of [['GET'], ['PATCH', { name: 'x' }], ['DELETE']] as const)
      expect((await call(method, path, body, { user: 'usr-b' })).status).toBe(404)
    for (const part of ['test', 'rotate-secret'])
      expect((await call('POST', `${path}/${part}`, undefined, { user: 'usr-b' })).status).toBe(404)
    expect((await call('GET', `${path}/deliveries`, undefined, { user: 'usr-b' })).status).toBe(404)
    expect((await call('DELETE', path)).status).toBe(200)
    expect((await call('GET', path)).status).toBe(404)
    expect((await call<Page<NotificationView>>('GET', '/notifications')).body.data).toEqual([])
  })

  it('is listed page by page, and is one of so many', async () => {
    const { notify } = actionsOn(world, 'usr-full')
    for (let n = 0; n < 50; n += 1) await notify({ name: `n${n}` })
    const body = { name: 'one more', on: ['failed'], target: { type: 'webhook', url: target.url } }
    expect((await call('POST', '/notifications', body, { user: 'usr-full' })).status).toBe(429)
    const names: string[] = []
    for (let cursor = ''; ; ) {
      const url = `/notifications?limit=20${cursor}`
      const { body } = await call<Page<NotificationView>>('GET', url, undefined, { user: 'usr-full' })
      names.push(...body.data.map(({ name }) => name))
      if (!body.page.nextCursor) break
      cursor = `&cursor=${body.page.nextCursor}`
    }
    expect(names.toSorted()).toEqual(Array.from({ length: 50 }, (_, n) => `n${n}`).toSorted())
  })

  it('that cannot be is refused with every issue at once', async () => {
    const about = { name: 'x', on: ['failed'] }
    const refused = async (body: object) => {
      const answer = await call<Problem>('POST', '/notifications', { ...about, ...body })
      return [answer.status, pointersOf(answer.body)]
    }
    const webhook = { type: 'webhook', url: target.url }
    expect(await refused({ name: '', on: ['never'], target: { type: 'webhook', url: 'ftp://x' } })).toEqual([
      400,
      expect.arrayContaining(['/name', '/on/0', '/target/url']),
    ])
    expect(await refused({ target: webhook, jobId: 'a', tag: 'b' })).toEqual([400, ['/tag']])
    expect(await refused({ target: webhook, jobId: 'no-such-job' })).toEqual([422, ['/jobId']])
    expect(await refused({ target: { ...webhook, secret: 'whsec_short' } })).toEqual([400, ['/target/secret']])
    expect(await refused({ target: { type: 'email', to: 'you@example.com' } })).toEqual([422, ['/target/type']])
    const other = await actionsOn(world, 'usr-b').makeJob()
    expect(await refused({ target: webhook, jobId: other.id })).toEqual([422, ['/jobId']])
  })
})

describe('a message', () => {
  const world = useWorld(open)

  it('reports a failed execution, and is signed as Standard Webhooks say', async () => {
    const { notify, makeJob, end, deliveriesOf } = actionsOn(world)
    const made = await notify({})
    const job = await makeJob({ name: 'report', tags: ['nightly'] })
    const executionId = await end(job, 'failed')
    const [received] = await messages(world, 1)
    if (!received) throw new Error('nothing was received')
    expect(isSignedBy(made.secret ?? '', received)).toBe(true)
    expect(received.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'belfry' })
    expect(received.message).toMatchObject({
      type: 'job.failed',
      data: {
        notification: { id: made.id, name: 'hook' },
        job: { id: job.id, name: 'report', jobType: 'DUMMY', tags: ['nightly'] },
        execution: { id: executionId, status: 'FAILED', error: { code: 'broken' } },
        ...{ count: 1, executionIds: [executionId], missed: null, url: `/executions/${executionId}` },
      },
    })
    const [delivery] = await deliveriesOf(made)
    expect(delivery).toMatchObject({ status: 'delivered', attempts: 1, lastStatus: 204, message: received.message })
    expect(received.headers['webhook-id']).toBe(delivery?.id)
    await world.call('DELETE', `/notifications/${made.id}`)
  })

  it('reports the events, jobs and tags that were asked for, and of nothing else', async () => {
    const { notify, makeJob, end } = actionsOn(world, 'usr-c')
    const [tagged, plain] = [await makeJob({ tags: ['x'] }), await makeJob({ key: 'plain' })]
    await notify({ name: 'tag', tag: 'x', on: ['failed', 'lost', 'expired'] })
    await notify({ name: 'job', key: 'plain', on: ['lost'] })
    await notify({ name: 'off', enabled: false })
    const other = actionsOn(world, 'usr-d')
    await other.notify({ name: 'of another user' })
    for (const state of ['failed', 'expired', 'lost', 'succeeded'] as const) await end(tagged, state)
    for (const state of ['failed', 'lost'] as const) await end(plain, state)
    await messages(world, 4)
    expect(
      target.received.map(({ message: { type, data } }) => `${data.notification.name} ${type}`).toSorted(),
    ).toEqual(['job job.lost', 'tag job.expired', 'tag job.failed', 'tag job.lost'])
  })

  it('reports a storm of failures twice: of the first one at once, of the others after a minute', async () => {
    const { notify, makeJob, end } = actionsOn(world, 'usr-e')
    await notify({})
    const job = await makeJob()
    await end(job, 'failed')
    await messages(world, 1)
    const ids: string[] = []
    for (let n = 0; n < 30; n += 1) ids.push(await end(job, 'failed'))
    await world.pass(5)
    expect(target.received).toHaveLength(1)
    await world.clock.advance(minute)
    await messages(world, 2)
    expect(target.received.map(({ message }) => message.data.count)).toEqual([1, 30])
    expect(target.received[1]?.message.data.executionIds).toEqual(ids.slice(-20))
  })

  it('reports once that a job that has failed succeeds again', async () => {
    const { notify, makeJob, end } = actionsOn(world, 'usr-f')
    await notify({ on: ['recovered'] })
    const job = await makeJob()
    await end(job, 'succeeded')
    await world.pass(2)
    await end(job, 'failed')
    await world.pass(2)
    const good = await end(job, 'succeeded')
    await messages(world, 1)
    await end(job, 'succeeded')
    await world.pass(3)
    expect(target.received.map(({ message }) => [message.type, message.data.execution?.id])).toEqual([
      ['job.recovered', good],
    ])
  })

  it('reports fire times that were missed, also when the scheduler lists them again', async () => {
    const { notify, makeJob } = actionsOn(world, 'usr-g')
    await notify({ on: ['missed'] })
    const job = await makeJob({ schedule: '@hourly' })
    const now = world.clock.now()
    const range = { jobId: job.id, from: now - 7_200_000, to: now - 3_600_000, count: 2, reason: 'too-old' }
    world.scheduler.state.missed.push({ at: now, id: '1', ...range })
    await messages(world, 1)
    await world.pass(20)
    expect(target.received).toHaveLength(1)
    expect(target.received[0]?.message.data).toMatchObject({ count: 2, missed: { reason: 'too-old' }, execution: null })
  })

  it('is not made twice by a status that comes again', async () => {
    const { notify, makeJob } = actionsOn(world, 'usr-h')
    await notify({})
    const job = await makeJob()
    const stored = { id: job.id, ownerId: 'usr-h', spec: { jobType: 'DUMMY' } } as never
    const status = statusMessage({ job: stored, state: 'failed', endedAt: monday, fireAt: world.clock.now() })
    await world.executor.publish(status)
    await messages(world, 1)
    await world.executor.publish(status)
    await world.clock.advance(2 * minute)
    await world.pass(3)
    expect(target.received).toHaveLength(1)
  })
})

describe('the delivery of a message', () => {
  const world = useWorld(open)
  const { notify, deliveriesOf } = actionsOn(world)
  const test = async ({ id }: { id: string }) =>
    (await world.call<DeliveryView>('POST', `/notifications/${id}/test`)).body
  const only = async (made: { id: string }) => (await deliveriesOf(made))[0] as DeliveryView

  it('is tried again after 5 s, 5 min and so on, and ends after eight attempts', async () => {
    const made = await notify({})
    target.always({ status: 500 })
    await test(made)
    const waits: number[] = []
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      await messages(world, attempt)
      const delivery = await until(async () => {
        const one = await only(made)
        return one.attempts === attempt && (one.lastStatus === 500 || undefined) && one
      })
      if (delivery.nextAttemptAt === null) break
      const waitMs = Date.parse(delivery.nextAttemptAt) - world.clock.now()
      waits.push(waitMs)
      await world.clock.advance(waitMs)
    }
    const seconds = [5, 300, 1800, 7200, 18_000, 36_000, 36_000]
    expect(waits).toHaveLength(7)
    for (const [index, waitMs] of waits.entries()) {
      expect(waitMs).toBeGreaterThan(1000 * (seconds[index] ?? 0) - 45_000)
      expect(waitMs).toBeLessThanOrEqual(1200 * (seconds[index] ?? 0))
    }
    expect(await only(made)).toMatchObject({ status: 'failed', attempts: 8, lastError: 'The target answered 500.' })
    expect(new Set(target.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  })

  it('obeys Retry-After', async () => {
    const made = await notify({})
    target.answer({ status: 503, retryAfter: '600' })
    await test(made)
    await messages(world, 1)
    const delivery = await until(async () => {
      const one = await only(made)
      return one.lastStatus === 503 && one
    })
    expect(Date.parse(delivery.nextAttemptAt ?? '') - world.clock.now()).toBeGreaterThan(500_000)
  })

  it('disables a notification whose target is gone, until its owner enables it', async () => {
    const made = await notify({})
    target.answer({ status: 410 })
    await test(made)
    await messages(world, 1)
    const read = async () => (await world.call<NotificationView>('GET', `/notifications/${made.id}`)).body
    await until(async () => !(await read()).enabled)
    expect(await read()).toMatchObject({ enabled: false, disabledReason: expect.stringContaining('410') })
    expect(await only(made)).toMatchObject({ status: 'failed', lastStatus: 410 })
    const enabled = await world.call<NotificationView>('PATCH', `/notifications/${made.id}`, { enabled: true })
    expect(enabled.body).toMatchObject({ enabled: true, disabledReason: null })
  })

  it('counts as an attempt that failed, with the reason, where the stored key cannot be opened', async () => {
    const made = await notify({})
    const before = (await world.stores.notifications.find('usr-a', made.id))!
    const keys = [{ sealed: '1.00000000.x.x', until: null }]
    const next = { ...before, target: { type: 'webhook', url: target.url, keys }, rev: before.rev + 1 } as const
    await world.stores.notifications.compareAndSet({ before, next })
    await test(made)
    const delivery = await until(async () => {
      await world.clock.advance(10)
      const one = await only(made)
      return one.lastError !== null && one
    })
    expect(delivery).toMatchObject({ status: 'pending', attempts: 1, lastError: expect.stringContaining('key') })
    expect(target.received).toHaveLength(0)
    await world.call('DELETE', `/notifications/${made.id}`)
  })

  it('may be asked for once more, under the same id', async () => {
    const made = await notify({})
    await test(made)
    await messages(world, 1)
    const { id } = await until(async () => {
      const one = await only(made)
      return one.status === 'delivered' && one
    })
    const path = `/notifications/deliveries/${id}/redeliver`
    expect((await world.call('POST', path, undefined, { user: 'usr-b' })).status).toBe(404)
    const again = await world.call<DeliveryView>('POST', path)
    expect([again.status, again.body.status, again.body.attempts]).toEqual([202, 'pending', 0])
    expect((await world.call('POST', path)).status).toBe(409)
    await messages(world, 2)
    expect(target.received.map(({ headers }) => headers['webhook-id'])).toEqual([id, id])
  })

  it('is signed by both keys after a rotation, and by the new one alone a day later', async () => {
    const made = await notify({})
    const rotated = await world.call<NotificationWithSecret>('POST', `/notifications/${made.id}/rotate-secret`)
    expect(rotated.body.secret).not.toBe(made.secret)
    await test(made)
    const signers = () =>
      [made.secret, rotated.body.secret].map((key) => isSignedBy(key ?? '', target.received.at(-1) as never))
    await messages(world, 1)
    expect(signers()).toEqual([true, true])
    await world.clock.advance(86_400_000)
    await test(made)
    await messages(world, 2)
    expect(signers()).toEqual([false, true])
  })

  it('to a slow target holds up no other one', async () => {
    const slow = await notify({ name: 'slow' })
    const good = await actionsOn(world, 'usr-good').notify({ name: 'good' })
    target.answer(null, null)
    for (let n = 0; n < 10; n += 1) await test(slow)
    await messages(world, 2)
    expect(target.received).toHaveLength(2)
    await world.call('POST', `/notifications/${good.id}/test`, undefined, { user: 'usr-good' })
    await messages(world, 3)
    expect(target.received.map(({ message }) => message.data.notification.name)).toEqual(['slow', 'slow', 'good'])
    await world.call('DELETE', `/notifications/${slow.id}`)
  })
})

describe('messages', () => {
  it('to addresses that are not public are not sent', async () => {
    const world = await openWorld()
    const { notify, deliveriesOf } = actionsOn(world)
    const made = await notify({})
    await world.call('POST', `/notifications/${made.id}/test`)
    const tried = await until(async () => {
      await world.pass(1)
      const [one] = await deliveriesOf(made)
      return one && one.lastError !== null && one
    })
    expect(tried.lastError).toContain('not public')
    expect(target.received).toEqual([])
    await world.close()
  })

  it('are sent after a crash, of the events before it too', async () => {
    const world = await openWorld(open)
    const { notify, makeJob, end } = actionsOn(world)
    await notify({})
    const job = await makeJob()
    await end(job, 'failed')
    await world.restart()
    await messages(world, 1)
    expect(target.typesOf()).toEqual(['job.failed'])
    await world.close()
  })

  it('of one user that wait are so many, and the oldest show as dropped', async () => {
    const world = await openWorld({ jobNotifyAllowPrivate: 'true', jobNotifyPending: 3, jobNotifyWindowMs: 1 } as never)
    const { notify, makeJob, end, deliveriesOf } = actionsOn(world)
    const made = await notify({})
    target.always({ status: 500 })
    for (let n = 0; n < 6; n += 1) {
      await end(await makeJob(), 'failed')
      await world.pass(1)
    }
    await until(async () => {
      await world.pass(1)
      return (await deliveriesOf(made)).filter(({ status }) => status === 'dropped').length === 3
    })
    const all = await deliveriesOf(made)
    expect(all.slice(0, 3).map(({ status }) => status)).toEqual(['pending', 'pending', 'pending'])
    expect(await world.metricsRegistry.render()).toMatch(/belfry_notifications_dropped_total\{[^}]*\} 3/)
    await world.close()
  })
})

describe('a job with pauseAfterFailures', () => {
  it('is paused after so many failures in a row, says why, and goes on after a resume', async () => {
    const world = await openWorld(open)
    const { notify, makeJob, end } = actionsOn(world)
    await notify({ on: ['auto-paused'] })
    const job = await makeJob({ schedule: '@hourly', pauseAfterFailures: 3 })
    expect(job.pauseAfterFailures).toBe(3)
    const read = async () => (await world.call<JobView>('GET', `/jobs/${job.id}`)).body
    for (const state of ['failed', 'failed', 'succeeded', 'failed', 'lost'] as const) await end(job, state)
    await world.pass(3)
    expect((await read()).state).toBe('active')
    await end(job, 'failed')
    await messages(world, 1)
    const paused = await read()
    expect(paused).toMatchObject({ state: 'paused', pauseReason: 'The last 3 executions in a row failed.' })
    const status = (await world.call<JobStatusView>('GET', `/jobs/${job.id}/status`)).body
    expect(status).toMatchObject({ state: 'paused', pauseReason: paused.pauseReason })
    expect(target.received.map(({ message }) => [message.type, message.data.reason])).toEqual([
      ['job.auto-paused', paused.pauseReason],
    ])
    // A change of the paused job, and a run of before that fails only now, make no second message of the same pause.
    await world.call('PATCH', `/jobs/${job.id}`, { tags: ['broken'] })
    await end(job, 'failed')
    await world.pass(3)
    expect(target.received).toHaveLength(1)
    const resumed = await world.call<JobView>('POST', `/jobs/${job.id}/resume`)
    expect(resumed.body).toMatchObject({ state: 'active', pauseReason: null })
    await world.pass(1)
    await end(resumed.body, 'failed')
    await end(resumed.body, 'failed')
    await world.pass(3)
    expect((await read()).state).toBe('active')
    await world.close()
  })
})

describe('a notification by mail', () => {
  it('is taken where there is a mail server, for the domains that are allowed', async () => {
    const world = await openWorld({ smtpUrl: 'smtp://127.0.0.1:1', smtpDomains: 'ops.example, example.com' } as never)
    const make = (to: string) =>
      world.call<Problem>('POST', '/notifications', { name: 'mail', on: ['failed'], target: { type: 'email', to } })
    const made = await make('you@Example.com')
    expect([made.status, (made.body as unknown as NotificationWithSecret).secret]).toEqual([201, null])
    const refused = await make('you@elsewhere.example')
    expect([refused.status, pointersOf(refused.body)]).toEqual([422, ['/target/to']])
    expect((await make('no-address')).status).toBe(400)
    await world.close()
  })
})
