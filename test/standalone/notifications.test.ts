import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually, makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { signUp } from '../../proof/caller.ts'

interface Message {
  type: string
  data: { job: { id: string } | null; missed: { reason: string } | null; count: number }
}

/** A receiver of webhooks at a port. */
async function listen(port: number, received: { id: string; message: Message }[]): Promise<Server> {
  const server = createServer(async (request, response) => {
    const message = JSON.parse(Buffer.concat(await request.toArray()).toString()) as Message
    received.push({ id: String(request.headers['webhook-id']), message })
    response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return server
}

/** A port that is free, and on which nothing listens yet. */
async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

describe('a message about a failure', () => {
  it('is delivered after a kill, and so is what was missed meanwhile', { timeout: 90_000 }, async () => {
    const data = await makeDataDir()
    const folder = join(data.path, 'belfry')
    const port = await freePort()
    const lateAfterMs = 1000
    const env = {
      BELFRY_JOB_NOTIFY_ALLOW_PRIVATE: 'true',
      BELFRY_LOG_LEVEL: 'warn',
      BELFRY_SCHEDULER_MISFIRE_AFTER_MS: String(lateAfterMs),
    }
    let belfry = await startBelfry(folder, { env })
    onTestFinished(async () => {
      await belfry.kill()
      await data.remove()
    })
    const user = await signUp(belfry.url)
    const target = { type: 'webhook', url: `http://127.0.0.1:${port}/` }
    const body = { name: 'all', on: ['failed', 'missed'], target }
    expect((await user.call('POST', '/notifications', body)).status).toBe(201)
    const failing = { jobType: 'DUMMY', params: { durationMs: 0, fail: 1 }, retry: { maxRetries: 0 } }
    const { id } = (await user.call<{ id: string }>('POST', '/jobs', failing)).body
    const misfire = { policy: 'skip' }
    const often = { jobType: 'DUMMY', params: { durationMs: 0 }, schedule: { every: '1s' }, misfire }
    const everySecond = (await user.call<{ id: string }>('POST', '/jobs', often)).body.id
    await user.call('POST', `/jobs/${id}/trigger`)
    await eventually('the failure', async () => {
      const { body } = await user.call<{ data: { status: string }[] }>('GET', `/jobs/${id}/executions`)
      return body.data[0]?.status === 'FAILED' ? true : undefined
    })
    await belfry.kill()

    const received: { id: string; message: Message }[] = []
    await listen(port, received)
    const killedAt = Date.now()
    await eventually('fire times to be late', async () => (Date.now() - killedAt > 8 * lateAfterMs ? true : undefined))
    belfry = await startBelfry(folder, { env })
    const messageOf = (type: string, jobId: string) =>
      eventually(
        `the message ${type}`,
        async () => received.find(({ message }) => message.type === type && message.data.job?.id === jobId),
        40_000,
      )
    const failed = await messageOf('job.failed', id)
    const missed = await messageOf('job.missed', everySecond)
    expect(missed.message.data.count).toBeGreaterThan(1)
    expect(received.filter((one) => one.id === failed.id)).toHaveLength(1)
  })
})
