import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { DeliveryView, JobView, NotificationMessage, NotificationWithSecret, Page } from '@belfry/contracts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { isElsewhere, useBelfry } from './belfry.ts'

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly message: NotificationMessage
}

describe.skipIf(isElsewhere)('notifications', () => {
  const belfry = useBelfry({ BELFRY_JOB_NOTIFY_ALLOW_PRIVATE: 'true', BELFRY_PUBLIC_URL: 'https://belfry.example' })
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    received.push({ headers: request.headers, body, message: JSON.parse(body) as NotificationMessage })
    response.writeHead(204).end()
  })
  let url = ''
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  })
  afterAll(() => void server.close())

  const notify = async (body: object) => {
    const about = { name: 'team', target: { type: 'webhook', url } }
    const made = await belfry.user.call<NotificationWithSecret>('POST', '/notifications', { ...about, ...body })
    expect(made.status, JSON.stringify(made.body)).toBe(201)
    return made.body
  }
  const failing = async (body: object = {}) => {
    const about = { jobType: 'DUMMY', params: { durationMs: 1, fail: 1 }, retry: { maxRetries: 0 } }
    const made = await belfry.user.call<JobView>('POST', '/jobs', { ...about, ...body })
    expect(made.status, JSON.stringify(made.body)).toBe(201)
    return made.body
  }
  const trigger = async ({ id }: JobView, params: object = { durationMs: 1, fail: 1 }) =>
    expect((await belfry.user.call('POST', `/jobs/${id}/trigger`, { params })).status).toBe(202)
  const messageOf = (jobId: string, type: string) =>
    eventually(`the message ${type}`, async () =>
      received.find(({ message }) => message.type === type && message.data.job?.id === jobId),
    )

  it('say that a job has failed, and that it succeeds again', async () => {
    const job = await failing({ name: 'close orders' })
    const made = await notify({ jobId: job.id, on: ['failed', 'recovered'] })
    await trigger(job)
    const failed = await messageOf(job.id, 'job.failed')
    const { headers, body, message } = failed
    const key = Buffer.from((made.secret ?? '').slice('whsec_'.length), 'base64')
    const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
    const signature = createHmac('sha256', key).update(text).digest('base64')
    expect(headers['webhook-signature']).toBe(`v1,${signature}`)
    expect(message.data).toMatchObject({ count: 1, execution: { status: 'FAILED' }, job: { name: 'close orders' } })
    await trigger(job, { durationMs: 1 })
    expect((await messageOf(job.id, 'job.recovered')).message.data.execution).toMatchObject({ status: 'SUCCESS' })
    const listed = await eventually('both deliveries', async () => {
      const { data } = (await belfry.user.call<Page<DeliveryView>>('GET', `/notifications/${made.id}/deliveries`)).body
      return data.length === 2 && data.every(({ status }) => status === 'delivered') ? data : undefined
    })
    expect(listed.map(({ type }) => type)).toEqual(['job.recovered', 'job.failed'])
    expect(received.filter(({ message: { data } }) => data.job?.id === job.id)).toHaveLength(2)
  })

  it('say that a job was paused because it kept failing', async () => {
    const job = await failing({ schedule: '* * * * * *', pauseAfterFailures: 2, tags: ['watched'] })
    await notify({ tag: 'watched', on: ['auto-paused'] })
    const { message } = await messageOf(job.id, 'job.auto-paused')
    expect(message.data.reason).toBe('The last 2 executions in a row failed.')
    const read = (await belfry.user.call<JobView>('GET', `/jobs/${job.id}`)).body
    expect(read).toMatchObject({ state: 'paused', pauseReason: message.data.reason })
  })
})
