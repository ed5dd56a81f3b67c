import { createTcpProxy } from '@belfry/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../proof/belfry-process.ts'
import { type Caller, createCaller, signUp } from '../proof/caller.ts'
import { openHoldingTarget } from '../proof/crash/work.ts'
import { type Fleet, fleetPeers, startFleet } from '../proof/fleet.ts'
import { patience } from './flows/fleet-setup.ts'

const found = fleetPeers()
const waitMs = 60_000
const startMs = 120_000

async function statusOf(user: Caller, jobId: string): Promise<string | undefined> {
  const { body } = await user.call<{ data?: { status: string }[] }>('GET', `/jobs/${jobId}/executions`)
  return body.data?.[0]?.status
}

const hasStatus = (user: Caller, jobId: string, status: string) =>
  eventually(`${jobId} to be ${status}`, async () => (await statusOf(user, jobId)) === status || undefined, waitMs)

/** Makes a job as soon as the services take one. */
const create = (user: Caller, body: object) =>
  eventually(
    'a job to be made',
    async () => {
      const made = await user.call<{ id: string }>('POST', '/jobs', body)
      return made.status === 201 ? made.body.id : undefined
    },
    waitMs,
  )

/** Sends SIGTERM to a process that may have ended already: its exit code is known some turns later. */
function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

describe.skipIf(!found)('the life of a service process', { timeout: 180_000 }, () => {
  let fleet: Fleet
  let user: Caller
  const member = (service: Parameters<Fleet['of']>[0]) => fleet.of(service)[0]!
  beforeAll(async () => {
    fleet = await startFleet({ peers: found!, env: patience, deadlineMs: startMs })
    user = await signUp(fleet.url)
  }, startMs)
  afterAll(() => fleet?.stop())

  it('lets what runs finish within the grace time, and ends with 0', async () => {
    const executor = member('executor-service')
    const job = await create(user, { jobType: 'DUMMY', params: { durationMs: 3_000 }, delay: '0s' })
    await hasStatus(user, job, 'RUNNING')
    expect(await executor.stop()).toBe('0')
    await hasStatus(user, job, 'SUCCESS')
    await executor.start()
  })

  it('ends at the second signal, and its run goes on in another process', async () => {
    const target = await openHoldingTarget()
    onTestFinished(target.close)
    const executor = member('executor-service')
    await fleet.known()
    const params = { url: `${target.url}/hold`, timeoutMs: 600_000 }
    const job = await create(user, { jobType: 'HTTP_CALL', params, timeout: '10m', delay: '0s' })
    await target.reached(1)
    let end: string | undefined
    void executor.stop().then((code) => {
      end = code
    })
    // A signal that comes within half a second belongs to the same key press, so it is sent until it counts.
    await eventually('the process to end', async () => {
      terminate(executor.pid)
      await new Promise((resolve) => setTimeout(resolve, 100))
      return end
    })
    expect(end).toBe('143')
    target.release()
    await executor.start()
    await hasStatus(user, job, 'SUCCESS')
    expect(new Set(target.calls.map(({ key }) => key)).size).toBe(1)
    expect(target.calls.length).toBeGreaterThanOrEqual(2)
  })

  it.each(['auth-service', 'job-service', 'scheduler-service', 'executor-service', 'gateway'] as const)(
    'goes on after a kill and a restart: %s',
    async (service) => {
      const one = member(service)
      await one.kill()
      await one.start()
      await fleet.known()
      const again = await eventually('a login', async () => signUp(fleet.url).catch(() => undefined), waitMs)
      const job = await create(again, { jobType: 'DUMMY', params: { durationMs: 0 }, delay: '0s' })
      await hasStatus(again, job, 'SUCCESS')
    },
  )

  it.each(['gateway', 'scheduler-service', 'job-service', 'auth-service'] as const)(
    'leaves the registry and ends with 0: %s',
    async (service) => {
      const one = member(service)
      expect(await one.stop()).toBe('0')
      await fleet.known()
      await one.start()
    },
  )
})

describe.skipIf(!found)('services that start before their servers', { timeout: 240_000 }, () => {
  it('wait for them, answer 503 and not 401 meanwhile, and take work once they are there', async () => {
    const { kafka, mongo, consul } = found!
    const proxies = await Promise.all([kafka, mongo, consul].map((target) => createTcpProxy(target)))
    onTestFinished(async () => void (await Promise.all(proxies.map((one) => one.close()))))
    const [k, m, c] = proxies.map(({ port }) => `127.0.0.1:${port}`)
    const peers = { kafka: k!, mongo: `mongodb://${m}/`, consul: `http://${c}` }
    for (const proxy of proxies) await proxy.set('refuse')
    const fleet = await startFleet({ peers, env: patience, deadlineMs: startMs, waits: false })
    onTestFinished(fleet.stop)
    const gateway = fleet.of('gateway')[0]!
    const stranger = createCaller(gateway.url, 'eyJhbGciOiJFZERTQSIsImtpZCI6IngifQ.eyJzdWIiOiJ4In0.AAAA')
    const refused = await eventually('the gateway to answer', () =>
      stranger.call('GET', '/jobs').catch(() => undefined),
    )
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)])
    expect(fleet.members.filter((one) => !one.isRunning())).toEqual([])
    for (const proxy of proxies) await proxy.set('pass')
    await fleet.known()
    const user = await signUp(gateway.url)
    const job = await create(user, { jobType: 'DUMMY', params: { durationMs: 0 }, delay: '0s' })
    await hasStatus(user, job, 'SUCCESS')
  })
})
