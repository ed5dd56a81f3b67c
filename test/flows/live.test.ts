import { describe, expect, it, onTestFinished } from 'vitest'
import { type Caller, signUp } from '../../proof/caller.ts'
import { useBelfry } from './belfry.ts'
import { type EventReader, openEvents, type ReadEvent } from './event-reader.ts'

const timeout = 60_000

/** A stream that is closed when the test is over. */
async function follow(user: Caller, path: string, lastId?: string | null): Promise<EventReader> {
  const reader = await openEvents(user, path, lastId)
  onTestFinished(() => reader.cut())
  expect(reader.status).toBe(200)
  return reader
}

describe('GET /events', () => {
  const flow = useBelfry()
  const create = async (user: Caller, more: object = {}) =>
    (await user.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 1 }, ...more })).body.id
  const isOf = (jobId: string, what: string) => (one: ReadEvent) =>
    one.data.jobId === jobId && (one.data.status ?? one.data.change) === what

  it('tells of each change of a job and of its executions, which are as the event says', { timeout }, async () => {
    const events = await follow(flow.user, '/events')
    expect(events.headers.get('content-encoding')).toBeNull()
    const id = await create(flow.user, { name: 'watched', key: 'watched' })
    expect(await events.until(isOf(id, 'create'))).toMatchObject({
      event: 'job',
      data: { name: 'watched', key: 'watched', version: 1, state: 'active' },
    })
    await flow.user.call('POST', `/jobs/${id}/pause`)
    expect((await events.until(isOf(id, 'pause'))).data).toMatchObject({ version: 2, state: 'paused' })
    await flow.user.call('POST', `/jobs/${id}/trigger`)
    const { data } = await events.until(isOf(id, 'SUCCESS'))
    const shown = await flow.user.call('GET', `/executions/${data.executionId}`)
    expect(shown.body).toMatchObject({ status: 'SUCCESS', endedAt: data.endedAt })
  })

  it('goes on after a cut without a gap and without a repetition', { timeout }, async () => {
    const user = await signUp(flow.url)
    const first = await follow(user, '/events')
    const made: string[] = []
    for (let job = 0; job < 10; job++) made.push(await create(user))
    await first.until(isOf(made[4] as string, 'create'))
    first.cut()
    for (let job = 0; job < 10; job++) made.push(await create(user))
    const second = await follow(user, '/events', first.lastId())
    await second.until(isOf(made.at(-1) as string, 'create'))
    const told = [...first.events, ...second.events].map(({ data }) => data.jobId)
    expect(told.toSorted()).toEqual(made.toSorted())
  })

  it('shows what is shared, and nothing of others', { timeout }, async () => {
    const [owner, viewer] = [await signUp(flow.url), await signUp(flow.url)]
    const events = await follow(viewer, '/events')
    await create(owner, { name: 'private' })
    const { username } = (await viewer.call<{ username: string }>('GET', '/auth/me')).body
    const shared = await create(owner, { name: 'shared', viewers: [username] })
    await events.until(isOf(shared, 'create'))
    expect(events.events.map(({ data }) => data.name)).toEqual(['shared'])
    const secret = await create(owner)
    expect((await openEvents(viewer, `/events?jobId=${secret}`)).status).toBe(404)
    expect((await openEvents(viewer, '/events?scope=all')).status).toBe(403)
  })

  it('says that there is a gap where a client cannot go on', { timeout }, async () => {
    const events = await follow(flow.user, '/events', 'zzzzzzzzzz.zzzzzzzzzz.1')
    expect(await events.until(({ event }) => event === 'gap')).toMatchObject({ data: { reason: 'other-store' } })
    const id = await create(flow.user)
    await events.until(isOf(id, 'create'))
  })
})

describe('GET /executions/:id/logs?follow=true', () => {
  const flow = useBelfry()

  it('shows lines while the run goes on, also after a cut, and ends with it', { timeout }, async () => {
    const { user } = flow
    const job = await user.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 3000 } })
    const run = await user.call<{ id: string }>('POST', `/jobs/${job.body.id}/trigger`)
    const path = `/executions/${run.body.id}/logs?follow=true`
    const opened = async () => {
      for (;;) {
        const reader = await openEvents(user, path)
        if (reader.status === 200) return reader
        expect(reader.status).toBe(404)
      }
    }
    const first = await opened()
    await first.until(({ event }) => event === 'line')
    const status = (await user.call<{ status: string }>('GET', `/executions/${run.body.id}`)).body.status
    expect(status).toBe('RUNNING')
    first.cut()
    const second = await follow(user, path, first.lastId())
    const end = await second.until(({ event }) => event === 'end')
    expect(end.data).toEqual({ reason: 'complete', status: 'SUCCESS' })
    const lines = [...first.events, ...second.events]
      .filter(({ event }) => event === 'line')
      .map(({ data }) => data.text)
    const { body } = await user.call<{ data: { text: string }[] }>('GET', path.replace('?follow=true', ''))
    expect(lines).toEqual(body.data.map(({ text }) => text))
  })
})
