import { type Client, createClient, isProblem } from '@belfry/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, raisedLimits } from '../../proof/belfry-process.ts'
import { openOneProcess } from '../../proof/one-process.ts'

const login = { username: 'ada', password: 'correct horse battery' }
let url = ''
let client: Client
let close = async () => {}
beforeAll(async () => {
  const belfry = await openOneProcess({ BELFRY_LOG_LEVEL: 'error', ...raisedLimits })
  url = belfry.url
  close = belfry.close
  await createClient({ url }).request('post', '/auth/signup', { body: login })
  client = createClient({ url, login })
})
afterAll(() => close())

describe('the client', () => {
  it('makes a job, runs it, and reads what came of it', async () => {
    const job = await client.jobs.create({ jobType: 'DUMMY', key: 'nightly', params: { durationMs: 0 } })
    expect(job).toMatchObject({ key: 'nightly', status: 'CREATED', params: { durationMs: 0 } })
    const execution = await client.jobs.trigger('nightly', { reason: 'a test' })
    const done = await eventually('the end of the execution', async () => {
      const one = await client.executions.get(execution.id)
      return one.status === 'SUCCESS' ? one : undefined
    })
    expect(done).toMatchObject({ reason: 'a test', result: { sleptMs: 0 } })
    const paused = await client.jobs.pause(job.id, { until: '2099-01-01T00:00:00Z' })
    expect([paused.state, paused.effective]).toEqual(['paused', 'now'])
    const stale = client.jobs.patch(job.id, { priority: 1 }, { ifMatch: '"1"' })
    await expect(stale).rejects.toMatchObject({ code: 'version-mismatch' })
  })

  it('sends the calls of one turn as one batch, and each has its own end', async () => {
    const names = Array.from({ length: 250 }, (_, nth) => `batch-${nth}`)
    const made = await Promise.allSettled(
      names.map((name, nth) => client.jobs.create({ name, jobType: nth === 7 ? 'DUMY' : 'DUMMY', schedule: null })),
    )
    const refused = made.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
    expect(refused).toHaveLength(1)
    expect(isProblem(refused[0], 'impossible')).toBe(true)
    const ids = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value.id] : []))
    const started = await Promise.all(ids.map((id) => client.jobs.trigger(id)))
    expect(new Set(started.map(({ id }) => id)).size).toBe(249)
    expect(started.map(({ jobId }) => jobId)).toEqual(ids)
  })

  it('reads lists page by page', async () => {
    const names = new Set<string>()
    for await (const { name } of client.jobs.list({ q: 'batch-', limit: 100 })) names.add(name)
    expect(names.size).toBe(249)
  })

  it('logs in with an API key, and has what the key may do', async () => {
    const { body: key } = await client.request('post', '/auth/api-keys', { body: { name: 'reader', role: 'viewer' } })
    const reader = createClient({ url, apiKey: key.key })
    expect((await reader.jobs.get('nightly')).key).toBe('nightly')
    await expect(reader.jobs.create({ jobType: 'DUMMY' })).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('follows events as they happen', async () => {
    const job = await client.jobs.create({ jobType: 'DUMMY', params: { durationMs: 0 } })
    const stop = new AbortController()
    const ended: string[] = []
    const follow = async () => {
      const options = { signal: stop.signal }
      const events = client.stream<{ jobId: string; status?: string }>(`/events?jobId=${job.id}`, options)
      for await (const { event, data } of events) {
        if (event === 'execution' && data.status === 'SUCCESS') ended.push(data.jobId)
      }
    }
    const followed = follow()
    // The stream begins with what happens after it was opened.
    await eventually('the event of an end', async () => {
      if (ended.length > 0) return true
      await client.jobs.trigger(job.id)
      return undefined
    })
    expect(new Set(ended)).toEqual(new Set([job.id]))
    stop.abort(new Error('seen enough'))
    await expect(followed).rejects.toThrow('seen enough')
  })

  it('follows the log of an execution to its end', async () => {
    const job = await client.jobs.create({ jobType: 'DUMMY', params: { durationMs: 50 } })
    const { id } = await client.jobs.trigger(job.id)
    const lines: string[] = []
    for await (const { data } of client.stream<{ text: string }>(`/executions/${id}/logs?follow=true`))
      lines.push(data.text)
    expect(lines).toEqual(['Sleeping for 50 ms', 'Awake again'])
  })
})
