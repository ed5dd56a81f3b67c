import { createMetrics } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createCalls } from '../../src/mongo/calls.ts'

const never = () => new Promise<never>(() => undefined)
const metrics = () => createMetrics().forService('job-service')
const failing = (code: unknown, message: string) => async () => {
  throw Object.assign(new Error(message), { name: 'MongoServerError', code })
}

describe('a call that the database never answers', () => {
  it('ends all the same: a read was not done, a write may have been', async () => {
    const calls = createCalls({ metrics: metrics(), withinMs: 20 })
    await expect(calls.read('test.read', 1, never)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(calls.write('test.write', 1, never)).rejects.toMatchObject({ code: 'outcome-unknown' })
    await calls.close()
  })
})

it('a write whose name is not in the list of durable steps is refused, and is not tried', async () => {
  let tries = 0
  const work = async () => {
    tries += 1
  }
  const calls = createCalls({ metrics: metrics(), steps: ['test.write'] })
  await expect(calls.write('test.other', 1, work)).rejects.toMatchObject({ code: 'failed' })
  expect(tries).toBe(0)
  await calls.write('test.write', 1, work)
  await calls.read('test.other', 1, work)
  expect(tries).toBe(2)
  await calls.close()
})

describe('a database that answers nothing', () => {
  it('is noticed after a time without an answer, and not before', async () => {
    let noticed = 0
    const calls = createCalls({ metrics: metrics(), silence: { afterMs: 30, notice: () => (noticed += 1) } })
    const fail = () => calls.read('test.read', 1, failing('ECONNRESET', 'gone')).catch(() => undefined)
    const until = performance.now() + 30
    await fail()
    expect(noticed).toBe(0)
    await calls.read('test.read', 1, async () => 1)
    while (performance.now() < until) await fail()
    const first = performance.now()
    while (performance.now() < first + 40) await fail()
    expect(noticed).toBeGreaterThan(0)
  })

  it('is not what refuses a call', async () => {
    let noticed = 0
    const calls = createCalls({ metrics: metrics(), silence: { afterMs: 0, notice: () => (noticed += 1) } })
    await calls.write('test.write', 1, failing(11_000, 'duplicate key')).catch(() => undefined)
    expect(noticed).toBe(0)
  })
})

describe('a connection that is closed under its calls, since a new one takes its place', () => {
  it.each(['MongoExpiredSessionError', 'MongoTopologyClosedError'])('fails them for the moment: %s', async (error) => {
    const calls = createCalls({ metrics: metrics() })
    const work = async () => {
      throw Object.assign(new Error('closed'), { name: error })
    }
    await expect(calls.read('test.read', 1, work)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(calls.write('test.write', 1, work)).rejects.toMatchObject({ code: 'outcome-unknown' })
  })
})

describe('a socket that the server has ended', () => {
  it('leaves open whether a write was done', async () => {
    const calls = createCalls({ metrics: metrics() })
    const work = failing('EPIPE', 'This socket has been ended by the other party')
    await expect(calls.write('test.write', 1, work)).rejects.toMatchObject({ code: 'outcome-unknown' })
  })
})

describe('what FerretDB answers without its PostgreSQL', () => {
  const calls = createCalls({ metrics: metrics() })

  it.each([
    'the database system is not yet accepting connections',
    'the database system is starting up',
    'failed to connect to `host=127.0.0.1`: dial error: connect: connection refused',
  ])('"%s" is no failure for good, and nothing was done', async (message) => {
    await expect(calls.write('test.write', 1, failing(1, message))).rejects.toMatchObject({ code: 'unavailable' })
  })

  it.each(['terminating connection due to administrator command', 'unexpected EOF'])(
    '"%s": a write may have been done',
    async (message) => {
      await expect(calls.write('test.write', 1, failing(1, message))).rejects.toMatchObject({ code: 'outcome-unknown' })
      await expect(calls.read('test.read', 1, failing(1, message))).rejects.toMatchObject({ code: 'unavailable' })
    },
  )

  it('any other internal error is a failure', async () => {
    const work = failing(1, 'operator does not exist')
    await expect(calls.write('test.write', 1, work)).rejects.toMatchObject({ code: 'failed' })
  })
})
