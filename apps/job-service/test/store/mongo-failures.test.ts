import { isRefusal } from '@belfry/contracts'
import { isUnreachable, type RowId, soleShare } from '@belfry/storage'
import { createTcpProxy, type TcpProxy } from '@belfry/testkit'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { triggerCommand } from '../../src/domain/execution.ts'
import { cancelledJob, type Job } from '../../src/domain/job.ts'
import type { StoredJob, Stores } from '../../src/store/ports.ts'
import { jobOf, minted, monday, statusMessage } from '../fixtures.ts'
import { databaseUrl, dropDatabase, mongoUrl, openMongoTestStores } from './mongo.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 })

/** Of the driver's own checks of the server, which come at any time. */
const isOfMonitor = (bytes: Buffer) => bytes.includes('isWritablePrimary')

describe.skipIf(mongoUrl === undefined)('job-service on MongoDB whose answers are lost', () => {
  const direct = databaseUrl(mongoUrl ?? '')
  let proxy: TcpProxy
  let stores: Stores
  /** How many answers arrive before the next one is lost. */
  let answersLeft = Number.POSITIVE_INFINITY
  let made = 0
  const random = { ownerId: () => `usr-${(made++).toString().padStart(6, '0')}` }

  beforeAll(async () => {
    proxy = await createTcpProxy(mongoUrl ?? '', {
      onAnswer: (bytes) => {
        if (isOfMonitor(bytes)) return 'pass'
        answersLeft -= 1
        return answersLeft === -1 ? 'cut' : 'pass'
      },
    })
    stores = await openMongoTestStores(
      `${mongoUrl}`.replace(/\/\/[^/]*\/?.*$/, `//127.0.0.1:${proxy.port}/`).concat(direct.split('/').at(-1) ?? ''),
    )
  })
  afterAll(async () => {
    await stores.close()
    await proxy.close()
    await dropDatabase(direct)
  })

  /**
   * Calls with its first answer lost, then with its second one, and so on until a call loses none. A call that fails is made
   * again, as its callers do. `check` looks at what is stored after each.
   */
  async function loseEachAnswer<T, A>(
    prepare: () => Promise<T>,
    call: (prepared: T) => Promise<A>,
    check: (prepared: T, answer: A) => Promise<void>,
  ): Promise<number> {
    for (let lost = 0; ; lost += 1) {
      const prepared = await prepare()
      answersLeft = lost
      let answer: A | undefined
      for (let tries = 0; answer === undefined; tries += 1) {
        answer = await call(prepared).catch((error: unknown) => {
          if (!isUnreachable(error) || tries > 20) throw error
          return undefined
        })
      }
      const wasLost = answersLeft < 0
      answersLeft = Number.POSITIVE_INFINITY
      await check(prepared, answer)
      if (!wasLost) return lost
    }
  }

  const put = async (more: object = {}): Promise<StoredJob> => {
    const job = jobOf({ n: ++made, ownerId: random.ownerId(), ...more })
    await stores.jobs.create(job)
    return (await stores.jobs.find(job.ownerId, job.id)) as StoredJob
  }
  const again = async ({ ownerId, id }: Job) => (await stores.jobs.find(ownerId, id)) as StoredJob
  const cancelled = (job: Job) => {
    const after = cancelledJob(job, monday + 1)
    if (isRefusal(after)) throw new Error(after.detail)
    return after
  }
  const triggerOf = (job: StoredJob) => {
    const executionId = `exe-${monday.toString(36)}-${minted(++made)}`
    const command = triggerCommand(job, { executionId, plannedAt: monday })
    return { jobRowId: job.rowId, command, hasOwnParams: false, reason: null, nextSendAt: monday + 5000 }
  }
  const all = { after: null, limit: 100, fields: [] } as const

  it('creates one job with its key', async () => {
    const lost = await loseEachAnswer(
      async () => jobOf({ n: ++made, ownerId: random.ownerId(), key: 'mine' }),
      (job) => stores.jobs.create(job, 10),
      async (job, answer) => {
        expect(answer).toMatchObject({ rowId: job.id })
        expect((await stores.jobs.find(job.ownerId, 'mine'))?.id).toBe(job.id)
        expect(await stores.jobs.listSummaries({ ownerId: job.ownerId }, all)).toHaveLength(1)
        expect(await stores.jobs.create(jobOf({ n: ++made, ownerId: job.ownerId, key: 'mine' }))).toBe('key-taken')
      },
    )
    expect(lost).toBeGreaterThanOrEqual(4)
  })

  it('creates one job with the key of a cancelled one', async () => {
    await loseEachAnswer(
      async () => {
        const first = await put({ key: 'mine' })
        await stores.jobs.compareAndSet(first.rowId, 1, cancelled(first), monday)
        return { first, second: jobOf({ n: ++made, ownerId: first.ownerId, key: 'mine' }) }
      },
      ({ second }) => stores.jobs.create(second),
      async ({ first, second }, answer) => {
        expect(answer).toMatchObject({ rowId: second.id })
        const { ownerId } = first
        expect((await stores.jobs.find(ownerId, 'mine'))?.id).toBe(second.id)
        await stores.jobs.compareAndSet(second.id as unknown as RowId, 1, cancelled(second), monday)
        expect((await stores.jobs.find(ownerId, 'mine'))?.id).toBe(second.id)
      },
    )
  })

  it('changes a job once', async () => {
    await loseEachAnswer(
      () => put(),
      (job) => stores.jobs.compareAndSet(job.rowId, 1, cancelled(job), monday),
      async (job) => expect(await again(job)).toMatchObject({ version: 2, state: 'cancelled', isPublished: false }),
    )
  })

  it('marks a job as published and fenced', async () => {
    await loseEachAnswer(
      async () => {
        const job = await put()
        await stores.jobs.compareAndSet(job.rowId, 1, cancelled(job), monday)
        return job
      },
      async (job) => {
        await stores.jobs.markPublished([{ rowId: job.rowId, seq: 2 }])
        await stores.jobs.markFenced(job.rowId, 2)
        return true
      },
      async (job) => {
        expect(await again(job)).toMatchObject({ isPublished: true, fencedVersion: 2 })
        const { rows } = await stores.jobs.listDueFences(Number.MAX_SAFE_INTEGER, 1000, { ...soleShare, overdueAt: 0 })
        expect(rows.filter(({ jobId }) => jobId === job.id)).toEqual([])
      },
    )
  })

  it('stores a trigger once', async () => {
    await loseEachAnswer(
      async () => triggerOf(await put()),
      (trigger) => stores.executions.insertTrigger(trigger),
      async ({ jobRowId, command }) => {
        const found = await stores.executions.listSummaries({ jobRowId }, all)
        expect(found.map(({ id }) => id)).toEqual([command.executionId])
      },
    )
  })

  it('postpones the command of a trigger for one of two callers', async () => {
    await loseEachAnswer(
      async () => {
        const trigger = triggerOf(await put())
        await stores.executions.insertTrigger(trigger)
        const share = { ...soleShare, overdueAt: 0 }
        const { rows } = await stores.executions.listDueCommands(monday + 5000, { rows: 1000, bytes: 1e9 }, share)
        const due = rows.find(({ command }) => command.executionId === trigger.command.executionId)
        if (!due) throw new Error('the command is not due')
        return due
      },
      (due) => stores.executions.postponeManyIfUnchanged([{ due, nextSendAt: monday + 60_000 }]),
      async (due) => {
        const other = await stores.executions.postponeManyIfUnchanged([{ due, nextSendAt: monday + 70_000 }])
        expect(other).toEqual([])
      },
    )
  })

  it('stores statuses, and the progress of their job', async () => {
    await loseEachAnswer(
      async () => {
        const job = await put()
        const trigger = triggerOf(job)
        await stores.executions.insertTrigger(trigger)
        const { executionId } = trigger.command
        const ended = { state: 'succeeded', endedAt: monday + 9 } as const
        const triggered = statusMessage({ job, executionId, fireAt: monday, seq: 2, ...ended })
        return { job, said: [triggered, statusMessage({ job, fireAt: monday + 5, state: 'failed' })] }
      },
      async ({ said }) => {
        await stores.executions.applyStatuses(said)
        return true
      },
      async ({ job, said }) => {
        const found = await stores.executions.listSummaries({ jobRowId: job.rowId }, all)
        expect(found.map(({ status }) => status)).toEqual(['FAILED', 'SUCCESS'])
        expect(found.map(({ id }) => id).sort()).toEqual(said.map(({ executionId }) => executionId).sort())
        expect((await again(job)).known.last).toMatchObject({ status: 'FAILED', fireAt: monday + 5 })
      },
    )
  })

  it('takes over a request once, and stores one answer', async () => {
    const answer = { status: 201, headers: {}, body: '{}' }
    await loseEachAnswer(
      async () => ({
        id: `request-${++made}`,
        bodyHash: 'hash',
        mintedId: minted(made),
        madeAt: monday,
        triedBy: 'one',
        triedAt: monday,
        answer: null,
      }),
      async (record) => {
        await stores.requests.insert(record, 0)
        await stores.requests.storeAnswer(record, answer)
        return true
      },
      async (record) => expect(await stores.requests.find(record.id)).toEqual({ ...record, answer }),
    )
  })

  it('answers within seconds while the server hangs, and again once it goes on', async () => {
    const job = await put()
    await proxy.set('hang')
    const begin = performance.now()
    await expect(stores.jobs.find(job.ownerId, job.id)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(stores.executions.insertTrigger(triggerOf(job))).rejects.toSatisfy(isUnreachable)
    expect(performance.now() - begin).toBeLessThan(30_000)
    await proxy.set('pass')
    await vi.waitFor(async () => expect(await again(job)).toMatchObject({ id: job.id }), 20_000)
  })
})
