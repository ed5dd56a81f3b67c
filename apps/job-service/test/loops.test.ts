import { createMemoryBus, ignorePoison } from '@belfry/bus'
import { isRefusal, type JobExecuteMessage } from '@belfry/contracts'
import { createIds, createLog, createManualClock, createMetrics } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { triggerCommand } from '../src/domain/execution.ts'
import { cancelJob, type Job } from '../src/domain/job.ts'
import type { Executors, StoredJob } from '../src/domain/ports.ts'
import { createFenceRepeat } from '../src/loops/fence.ts'
import { createResend } from '../src/loops/resend.ts'
import { createSender } from '../src/loops/sender.ts'
import { createSqliteStores, migrations } from '../src/store/sqlite/index.ts'
import { jobOf, minted, monday, statusMessage } from './fixtures.ts'

async function openParts() {
  const clock = createManualClock(monday)
  const log = createLog({ level: 'silent' })
  const metrics = createMetrics().forService('job-service')
  const db = await openMemoryDatabase(migrations)
  const stores = createSqliteStores(db, clock)
  const bus = createMemoryBus({ clock, ids: createIds(), sender: 'test' })
  const sent: JobExecuteMessage[] = []
  const taker = { takes: true }
  await bus.subscribe('job-execute', 'executor-service', {
    onBatch: async (messages) => {
      if (!taker.takes) throw new Error('full')
      sent.push(...messages.map((message) => message.value))
    },
    onPoison: ignorePoison,
  })
  const put = async (n: number): Promise<StoredJob> => {
    const job = jobOf({ n })
    await stores.jobs.create(job)
    return (await stores.jobs.find(job.ownerId, job.id)) as StoredJob
  }
  return { clock, log, metrics, db, stores, bus, sent, taker, put }
}
type Parts = Awaited<ReturnType<typeof openParts>>

/** Calls a turn every second of the clock, and answers the seconds at which `count` has grown. */
async function secondsOfGrowth(parts: Parts, seconds: number, turn: () => Promise<unknown>, count: () => number) {
  const grown: number[] = []
  for (let second = 1; second <= seconds; second++) {
    await parts.clock.advance(1000)
    const before = count()
    await turn()
    if (count() > before) grown.push(second)
  }
  return grown
}

/** Turns until one says that there is no more at once. */
async function untilNoMore(turn: () => Promise<boolean>): Promise<void> {
  while (await turn());
}

let parts: Parts
beforeEach(async () => {
  parts = await openParts()
})
afterEach(() => parts.db.close())

describe('sending triggers again', () => {
  const insert = async (n: number, plannedAt = monday) => {
    const job = await parts.put(n)
    const executionId = `exe-${monday.toString(36)}-${minted(n)}`
    const command = triggerCommand(job, { executionId, plannedAt })
    const nextSendAt = plannedAt + 5000
    await parts.stores.executions.insertTrigger({
      job: job.handle,
      command,
      hasOwnParams: false,
      reason: null,
      nextSendAt,
    })
    return { job, command }
  }
  const createTurn = (rows = 500) => {
    const { bus, log, metrics, stores, clock } = parts
    const sender = createSender({ bus, backlog: 100, backlogBytes: 1e6, againMs: 5000, clock, log, metrics })
    const waits = { firstMs: 5000, mostMs: 60_000 }
    const page = { rows, bytes: 1e6 }
    return { sender, resend: createResend({ executions: stores.executions, sender, clock, page, ...waits }) }
  }

  it('comes after 5 s, 10 s, 20 s, 40 s and then every 60 s', async () => {
    const { command } = await insert(1)
    const { resend } = createTurn()
    expect(await secondsOfGrowth(parts, 260, resend, () => parts.sent.length)).toEqual([5, 15, 35, 75, 135, 195, 255])
    expect(parts.sent[0]).toEqual(command)
  })

  it('ends when a status shows the execution', async () => {
    const { job, command } = await insert(1)
    const { resend } = createTurn()
    await parts.stores.executions.keep([statusMessage({ job, executionId: command.executionId, state: 'ready' })])
    expect(await secondsOfGrowth(parts, 100, resend, () => parts.sent.length)).toEqual([])
  })

  it('comes at once when another process has left them behind', async () => {
    await insert(1)
    await insert(2)
    await parts.clock.advance(1)
    const { resend } = createTurn(1)
    await untilNoMore(resend)
    expect(parts.sent).toHaveLength(2)
  })

  it('comes at once after a crash, in pages, whatever the next time says by a clock that was set back', async () => {
    for (let n = 1; n <= 5; n++) await insert(n, monday + n * 10_000)
    const crashed = createTurn(2)
    await parts.clock.advance(50_000)
    parts.taker.takes = false
    await crashed.resend()
    parts.taker.takes = true
    parts.clock.step(-86_400_000)
    const { resend } = createTurn(2)
    await insert(6, parts.clock.now())
    await untilNoMore(resend)
    expect(parts.sent.map((command) => command.plannedAt).toSorted()).toEqual(
      [1, 2, 3, 4, 5].map((n) => monday + n * 10_000),
    )
    expect(await secondsOfGrowth(parts, 9, resend, () => parts.sent.length)).toEqual([5])
  })

  it('is not late when the clock is set back while the process runs', async () => {
    await insert(1)
    const { resend } = createTurn()
    await resend()
    parts.clock.step(-86_400_000)
    expect(await secondsOfGrowth(parts, 40, resend, () => parts.sent.length)).toEqual([1, 11, 31])
  })

  it('keeps the waits of what is sent after the clock was set back', async () => {
    const { resend } = createTurn()
    await resend()
    parts.clock.step(-3_600_000)
    await insert(1, parts.clock.now())
    expect(await secondsOfGrowth(parts, 40, resend, () => parts.sent.length)).toEqual([5, 15, 35])
  })

  it('goes on at once while there is more than one turn takes, but not against a bus that takes nothing', async () => {
    for (let n = 1; n <= 5; n++) await insert(n)
    const { resend } = createTurn(2)
    await parts.clock.advance(5000)
    await untilNoMore(resend)
    expect(parts.sent).toHaveLength(5)
    parts.taker.takes = false
    await parts.clock.advance(10_000)
    expect(await resend()).toBe(false)
  })

  it('is done once by two who do it', async () => {
    await insert(1)
    const [one, two] = [createTurn(), createTurn()]
    await parts.clock.advance(5000)
    await Promise.all([one.resend(), two.resend()])
    expect(parts.sent).toHaveLength(1)
  })

  it('makes room again for new triggers', async () => {
    const { bus, clock, log, metrics } = parts
    const sender = createSender({ bus, backlog: 2, backlogBytes: 1e6, againMs: 5000, clock, log, metrics })
    const { command } = await insert(1)
    parts.taker.takes = false
    sender.send(command)
    expect(sender.isFull()).toBe(false)
    sender.send(command)
    expect(sender.isFull()).toBe(true)
    await sender.drain()
    expect(sender.isFull()).toBe(true)
    parts.taker.takes = true
    await sender.publish([command])
    expect(sender.isFull()).toBe(false)
  })
})

describe('telling the executors again', () => {
  const cancel = async (n: number, at = monday) => {
    const job = await parts.put(n)
    const cancelled = cancelJob(job, monday) as Job
    expect(isRefusal(cancelled)).toBe(false)
    await parts.stores.jobs.change(job.handle, 1, cancelled, at + 5000)
    return job
  }
  /** Executors that are away, or confirm; only the fence is asked here. */
  const createTurn = (rows = 20) => {
    const asked: string[] = []
    const state = { isAway: true }
    const executors: Pick<Executors, 'fence'> = {
      async fence(jobId, changes) {
        asked.push(jobId)
        if (state.isAway) throw new Error('nobody is there')
        return { fencedVersion: changes.at(-1)?.version ?? 0, inFlight: [] }
      },
    }
    const { clock, log, stores } = parts
    const waits = { firstMs: 5000, mostMs: 60_000 }
    const repeat = createFenceRepeat({ jobs: stores.jobs, executors, clock, log, rows, ...waits })
    return { asked, state, repeat }
  }

  it('comes 5 s after the change, then after 10 s, 20 s, 40 s and every 60 s', async () => {
    await cancel(1)
    const { asked, repeat } = createTurn()
    expect(await secondsOfGrowth(parts, 200, repeat, () => asked.length)).toEqual([5, 15, 35, 75, 135, 195])
  })

  it('comes at once when another process has left it behind', async () => {
    await cancel(1)
    await parts.clock.advance(1)
    const { asked, repeat } = createTurn()
    await repeat()
    await repeat()
    expect(asked).toHaveLength(1)
  })

  it('comes at once after a crash, whatever the next time says by a clock that was set back', async () => {
    for (const n of [1, 2, 3]) await cancel(n, monday + n * 10_000)
    await parts.clock.advance(50_000)
    parts.clock.step(-86_400_000)
    const { asked, repeat } = createTurn(1)
    for (let turn = 1; turn <= 10; turn++) await repeat()
    expect(asked).toHaveLength(3)
    expect(new Set(asked).size).toBe(3)
  })

  it('is not late when the clock is set back while the process runs', async () => {
    await cancel(1)
    const { asked, repeat } = createTurn()
    await repeat()
    parts.clock.step(-86_400_000)
    expect(await secondsOfGrowth(parts, 40, repeat, () => asked.length)).toEqual([1, 11, 31])
  })

  it('keeps the waits of what is changed after the clock was set back', async () => {
    const { asked, repeat } = createTurn()
    await repeat()
    parts.clock.step(-3_600_000)
    await cancel(1, parts.clock.now())
    expect(await secondsOfGrowth(parts, 40, repeat, () => asked.length)).toEqual([5, 15, 35])
  })

  it('ends when they have confirmed the version, and takes as many as a turn may', async () => {
    const jobs = [await cancel(1), await cancel(2), await cancel(3)]
    const { asked, state, repeat } = createTurn(2)
    state.isAway = false
    await parts.clock.advance(5000)
    expect([await repeat(), await repeat()]).toEqual([true, false])
    expect(asked.toSorted()).toEqual(jobs.map((job) => job.id).toSorted())
    await parts.clock.advance(600_000)
    expect(await repeat()).toBe(false)
    expect(asked).toHaveLength(3)
    expect(await parts.stores.jobs.find('usr-a', jobs[0]!.id)).toMatchObject({ fencedVersion: 2 })
  })
})
