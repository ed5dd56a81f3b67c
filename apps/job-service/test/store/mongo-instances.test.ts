import { setTimeout as wait } from 'node:timers/promises'
import type { ExecutionView, JobView, Problem } from '@belfry/contracts'
import { createTcpProxy, type TcpProxy } from '@belfry/testkit'
import mongoose from 'mongoose'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openWorld, type World } from '../world.ts'
import { databaseUrl, dropDatabase, mongoUrl, openMongoTestStores } from './mongo.ts'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 })

/** Calls in all, keys of jobs, and clients that call at the same time. `BELFRY_TEST_INSTANCES_CALLS` sets another number of calls. */
const calls = Number(process.env.BELFRY_TEST_INSTANCES_CALLS ?? 150)
const keyCount = 6
const clientCount = 12
/** Of 1,000 answers of the database, so many are lost. */
const lostOf1000 = 15

interface JobDocument {
  readonly _id: string
  readonly key: string
  readonly state: string
  readonly name: string
}

describe.skipIf(mongoUrl === undefined)(
  'three instances of job-service on one database, whose answers are lost at random',
  () => {
    const direct = databaseUrl(mongoUrl ?? '')
    const proxies: TcpProxy[] = []
    const worlds: World[] = []
    let connection: mongoose.Connection
    let isLosing = false
    let lost = 0

    beforeAll(async () => {
      for (const seed of [1, 2, 3]) {
        const proxy = await createTcpProxy(mongoUrl ?? '', {
          onAnswer: () => {
            if (!isLosing || Math.random() * 1000 >= lostOf1000) return 'pass'
            lost += 1
            return 'cut'
          },
        })
        proxies.push(proxy)
        const url = databaseUrl(`mongodb://127.0.0.1:${proxy.port}`, direct.split('/').at(-1))
        worlds.push(await openWorld({ jobRequestTryMs: 100 }, { seed, open: () => openMongoTestStores(url) }))
      }
      connection = await mongoose.createConnection(direct).asPromise()
    })
    afterAll(async () => {
      for (const world of worlds) await world.close()
      for (const proxy of proxies) await proxy.close()
      await connection.close()
      await dropDatabase(direct)
    })

    /** Calls any instance, and again until the answer is not that one has to come again. */
    const callUntilAnswered = async <T>(method: 'POST' | 'PUT', url: string, payload: object, headers = {}) => {
      for (;;) {
        const world = worlds[Math.floor(Math.random() * worlds.length)] as World
        const reply = await world.call<T>(method, url, { ...payload }, { headers })
        const isToRepeat =
          reply.status >= 500 || reply.status === 429 || (reply.body as Partial<Problem>).code === 'request-in-flight'
        if (!isToRepeat) return reply
        await wait(20)
      }
    }

    it('has one live job for each key, nothing that was acknowledged is lost, and nothing is made twice', async () => {
      const acknowledged = { jobs: new Map<string, string>(), ids: new Set<string>(), cancelled: new Set<string>() }
      const triggers = new Map<string, string>()
      const noteJob = (name: string, id: string) => {
        const known = acknowledged.jobs.get(name)
        if (known !== undefined) expect(id).toBe(known)
        acknowledged.jobs.set(name, id)
        acknowledged.ids.add(id)
      }
      const statuses = new Map<string, number>()
      const note = (what: string, status: number) => {
        const name = `${what} ${status}`
        statuses.set(name, (statuses.get(name) ?? 0) + 1)
      }

      const create = async (key: string, n: number) => {
        const name = `${key}-${n % 40}`
        const headers = { 'idempotency-key': name }
        const { status, body } = await callUntilAnswered<JobView>(
          'POST',
          '/jobs',
          { jobType: 'DUMMY', key, name },
          headers,
        )
        note('create', status)
        if (status === 201) noteJob(name, body.id)
      }
      const put = async (key: string) => {
        const { status, body } = await callUntilAnswered<JobView>('PUT', `/jobs/${key}`, { jobType: 'DUMMY' })
        note('put', status)
        if (status < 300) acknowledged.ids.add(body.id)
      }
      const cancel = async (key: string) => {
        const { status, body } = await callUntilAnswered<JobView>('POST', `/jobs/${key}/cancel`, {})
        note('cancel', status)
        if (status < 300) acknowledged.cancelled.add(body.id)
      }
      const trigger = async (key: string, n: number) => {
        const reason = `${key}-${n % 25}`
        const headers = { 'idempotency-key': reason }
        const url = `/jobs/${key}/trigger`
        const { status, body } = await callUntilAnswered<ExecutionView>('POST', url, { reason }, headers)
        note('trigger', status)
        if (status >= 300) return
        expect(triggers.get(reason) ?? body.id).toBe(body.id)
        triggers.set(reason, body.id)
      }

      isLosing = true
      let isDone = false
      const ticker = (async () => {
        while (!isDone) {
          await Promise.all(worlds.map((world) => world.clock.advance(50)))
          await wait(10)
        }
      })()
      let next = 0
      const client = async () => {
        for (let n = next++; n < calls; n = next++) {
          const key = `key-${Math.floor(Math.random() * keyCount)}`
          const kind = Math.random()
          if (kind < 0.35) await create(key, n)
          else if (kind < 0.55) await put(key)
          else if (kind < 0.7) await cancel(key)
          else await trigger(key, n)
        }
      }
      await Promise.all(Array.from({ length: clientCount }, client))
      isLosing = false
      isDone = true
      await ticker
      if (process.env.BELFRY_TEST_INSTANCES_CALLS) console.log({ lost, statuses: Object.fromEntries(statuses) })

      const jobs = await connection
        .collection<JobDocument>('jobs')
        .find({ version: { $exists: true } })
        .toArray()
      const live = jobs.filter(({ state }) => state === 'active')
      expect(new Set(live.map(({ key }) => key)).size).toBe(live.length)
      const byId = new Map(jobs.map((job) => [job._id, job]))
      for (const id of acknowledged.ids) expect(byId.has(id)).toBe(true)
      for (const id of acknowledged.cancelled) expect(byId.get(id)?.state).toBe('cancelled')
      const names = jobs
        .map(({ name }) => name)
        .filter((name) => name.startsWith('key-') && acknowledged.jobs.has(name))
      expect(new Set(names).size).toBe(names.length)
      // A PUT under the key replaces the name by the key.
      for (const [name, id] of acknowledged.jobs) expect([name, byId.get(id)?.key]).toContain(byId.get(id)?.name)
      const executions = await connection.collection<{ _id: string; reason: string }>('executions').find({}).toArray()
      const reasons = executions.map(({ reason }) => reason)
      expect(new Set(reasons).size).toBe(reasons.length)
      for (const [reason, id] of triggers) expect(executions.find(({ _id }) => _id === id)?.reason).toBe(reason)
      expect(lost).toBeGreaterThan(0)
    })
  },
)
