import { isRefusal } from '@belfry/contracts'
import { createLog, createManualClock } from '@belfry/service'
import { soleShare } from '@belfry/storage'
import { describe, expect, it } from 'vitest'
import { type EventPosition, isShown } from '../../src/domain/events.ts'
import { pausedJob } from '../../src/domain/job.ts'
import { readScope } from '../../src/routes/events.ts'
import { createChangeFeed, type FeedPage } from '../../src/use-cases/change-feed.ts'
import { createEventHub } from '../../src/use-cases/event-hub.ts'
import { jobOf, monday, statusMessage } from '../fixtures.ts'
import { createDocumentStores } from '../store/document-stores.ts'
import { until } from '../world.ts'

const log = createLog({ level: 'silent' })
const never = new AbortController().signal
const limits = { pollMs: 250, heldEvents: 10 }

describe('the hub of events', () => {
  it('begins anew after its last stream has gone in the middle of a turn', async () => {
    const clock = createManualClock(monday)
    const reading = Promise.withResolvers<FeedPage>()
    const heads = [5, 10].values()
    const feed = {
      head: async () => ({ jobs: heads.next().value ?? 0, executions: 0 }),
      read: () => reading.promise,
    }
    const hub = createEventHub({ feed, clock, log, ...limits })
    const first = await hub.join()
    await clock.advance(1)
    first.leave()
    reading.resolve({
      events: [],
      position: { jobs: 6, executions: 0 },
      settled: { jobs: 6, executions: 0 },
      hasMore: false,
    })
    await clock.advance(1)
    expect(hub.position()).toBeNull()
    const second = await hub.join()
    expect(second.position).toEqual({ jobs: 10, executions: 0 })
    expect(hub.since(second.position)).toMatchObject({ events: [] })
    await hub.stop()
  })

  it('looks once for all streams that begin at the same time', async () => {
    const clock = createManualClock(monday)
    let reads = 0
    const head = { jobs: 5, executions: 0 }
    const feed = {
      head: async () => head,
      read: async (position: EventPosition): Promise<FeedPage> => {
        reads += 1
        return { events: [], position, settled: position, hasMore: false }
      },
    }
    const hub = createEventHub({ feed, clock, log, ...limits })
    const joined = await Promise.all(Array.from({ length: 1_000 }, () => hub.join()))
    expect(joined.every(({ position }) => position.jobs === 5)).toBe(true)
    expect(reads).toBe(0)
    await hub.stop()
  })

  it('lets a stream begin after the first look of another one has failed', async () => {
    const clock = createManualClock(monday)
    let looks = 0
    const feed = {
      head: async () => {
        looks += 1
        if (looks === 1) throw new Error('the store is away')
        return { jobs: 5, executions: 0 }
      },
      read: () => Promise.withResolvers<FeedPage>().promise,
    }
    const hub = createEventHub({ feed, clock, log, ...limits })
    await expect(hub.join()).rejects.toThrow('the store is away')
    expect((await hub.join()).position).toEqual({ jobs: 5, executions: 0 })
  })
})

describe('the feed of changes', () => {
  /** The executors have one execution of the job. */
  async function open(message = statusMessage({ state: 'failed', endedAt: monday })) {
    const clock = createManualClock(monday)
    const stores = createDocumentStores()
    const viewer = { id: 'usr-b', username: 'bob' }
    const job = jobOf({ viewers: [viewer] })
    const created = await stores.jobs.create(job)
    if (typeof created === 'string') throw new Error(created)
    const { executionId: id, seq } = message
    const records = {
      list: async (after: number) => ({ rows: after < 1 ? [{ id, seq, changeNo: 1 }] : [], head: 1, hasMore: false }),
      async *fetch() {
        yield { records: [message], left: [], unreadable: [] }
      },
    }
    const feed = createChangeFeed({ context: { stores }, records: records as never, clock, rows: 100, settleMs: 0 })
    return { stores, job, rowId: created.rowId, feed }
  }

  it('answers where a reader begins once no change can come any more with a number of before', async () => {
    const clock = createManualClock(monday)
    const stores = createDocumentStores()
    const none = { list: async () => ({ rows: [], head: 0, hasMore: false }), async *fetch() {} }
    const feed = createChangeFeed({ context: { stores }, records: none as never, clock, rows: 100, settleMs: 2000 })
    await stores.jobs.create(jobOf({ n: 1 }))
    let begin: EventPosition | null = null
    void feed.head(new AbortController().signal).then((head) => {
      begin = head
    })
    await until(() => clock.pending() === 1)
    await clock.advance(1999)
    // Another instance may store a job only now, with a number below the head: that is a change of before.
    expect(begin).toBeNull()
    await clock.advance(1)
    expect(await until(() => begin ?? undefined)).toEqual({ jobs: 1, executions: 0 })
    const left = new AbortController()
    const head = feed.head(left.signal)
    left.abort()
    await head
  })

  it('shows executions to the viewers of now, also where a viewer went while nothing was read', async () => {
    const { stores, job, rowId, feed } = await open()
    const viewersIn = async () => (await feed.read({ jobs: 100, executions: 0 })).events.map(({ viewers }) => viewers)
    expect(await viewersIn()).toEqual([['usr-b']])
    const next = pausedJob({ ...job, viewers: [] }, null, monday)
    await stores.jobs.compareAndSet(rowId, job.version, next as typeof job, monday)
    await feed.head(never)
    expect(await viewersIn()).toEqual([[]])
  })

  it('stores what is to be reported of an execution before its copy', async () => {
    const { stores, feed } = await open()
    await feed.read({ jobs: 100, executions: 0 })
    const { rows } = await stores.events.listDue(monday, 10, soleShare)
    expect(rows.map(({ type }) => type)).toEqual(['failed'])
  })

  it('of one job shows nothing more to a viewer whom the job names no more, and all to its owner and operators', async () => {
    const { stores, job, rowId, feed } = await open()
    const userIds = ['usr-a', 'usr-b', 'usr-c']
    const scopes = await Promise.all(
      userIds.map((userId) => {
        const roles = userId === 'usr-c' ? (['operator'] as const) : (['user'] as const)
        return readScope({ stores }, { userId, roles }, { jobId: job.id, scope: 'mine' })
      }),
    )
    const shown = async () => {
      const [event] = (await feed.read({ jobs: 100, executions: 0 })).events
      return scopes.map((scope) => event !== undefined && !isRefusal(scope) && isShown(event, scope))
    }
    expect(await shown()).toEqual([true, true, true])
    const next = pausedJob({ ...job, viewers: [] }, null, monday)
    await stores.jobs.compareAndSet(rowId, job.version, next as typeof job, monday)
    await feed.head(never)
    expect(await shown()).toEqual([true, false, true])
  })
})
