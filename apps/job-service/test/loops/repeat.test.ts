import { createCommandPublisher, createMemoryBus, ignorePoison } from '@belfry/bus'
import { isRefusal, type JobExecuteMessage } from '@belfry/contracts'
import { createIds, createLog, createManualClock, createMetrics } from '@belfry/service'
import { soleShare } from '@belfry/storage'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Executors } from '../../src/clients/executors.ts'
import { triggerCommand } from '../../src/domain/execution.ts'
import { cancelledJob, type Job } from '../../src/domain/job.ts'
import { createRepeatFences } from '../../src/loops/repeat-fences.ts'
import { createResendCommands } from '../../src/loops/resend-commands.ts'
import type { StoredJob } from '../../src/store/ports.ts'
import { createSqliteStores } from '../../src/store/sqlite/index.ts'
import { migrations } from '../../src/store/sqlite/migrations.ts'
import { jobOf, minted, monday, statusMessage } from '../fixtures.ts'

async function openParts() {
  const clock = createManualClock(monday)
  const log = createLog({ level: 'silent' })
  const metrics = createMetrics().forService('job-service')
  const db = await openMemoryDatabase(migrations)
  const stores = createSqliteStores(db, clock)
  const bus = createMemoryBus({ clock, ids: createIds(), sender: 'test' })
  const sent: JobExecuteMessage[] = []
  const executor = { accepts: true }
  await bus.subscribe('job-execute', 'executor-service', {
    onBatch: async (messages) => {
      if (!executor.accepts) throw new Error('full')
      sent.push(...messages.map((message) => message.value))
    },
    onPoison: ignorePoison,
  })
  const put = async (n: number): Promise<StoredJob> => {
    const job = jobOf({ n })
    await stores.jobs.create(job)
    return (await stores.jobs.find(job.ownerId, job.id)) as StoredJob
  }
  return { clock, log, metrics, db, stores, bus, sent, executor, put }
}
type Parts = Awaited<ReturnType<typeof openParts>>

/** Runs an iteration every second of the clock, and answers the seconds at which `count` has grown. */
async function secondsOfGrowth(parts: Parts, seconds: number, iterate: () => Promise<unknown>, count: () => number) {
  const grown: number[] = []
  for (let second = 1; second <= seconds; second++) {
    await parts.clock.advance(1000)
    const before = count()
    await iterate()
    if (count() > before) grown.push(second)
  }
  return grown
}

/** Iterates until there is no more at once. */
async function untilNoMore(iterate: () => Promise<boolean>): Promise<void> {
  while (await iterate());
}

let parts: Parts
beforeEach(async () => {
  parts = await openParts()
})
afterEach(() => parts.db.close())

describe('resending the commands of triggers', () => {
  const insert = async (n: number, plannedAt = monday) => {
    const job = await parts.put(n)
    const executionId = `exe-${monday.toString(36)}-${minted(n)}`
    const command = triggerCommand(job, { executionId, plannedAt })
    const nextSendAt = plannedAt + 5000
    await parts.stores.executions.insertTrigger({
      jobRowId: job.rowId,
      command,
      hasOwnParams: false,
      reason: null,
      nextSendAt,
    })
    return { job, command }
  }
  const createIteration = (rows = 500, share = () => soleShare) => {
    const { bus, log, metrics, stores, clock } = parts
    const gauge = { name: 'belfry_commands_waiting', help: 'Commands' }
    const limits = { backlogRows: 100, backlogBytes: 1e6, refusedForMs: 5000 }
    const poison = { keep: async () => undefined }
    const commands = createCommandPublisher({ bus, gauge, poison, ...limits, clock, log, metrics })
    const backoff = { firstMs: 5000, mostMs: 60_000 }
    const page = { rows, bytes: 1e6 }
    return { resend: createResendCommands({ executions: stores.executions, commands, clock, share, page, backoff }) }
  }

  it('happens after 5 s, 10 s, 20 s, 40 s and then every 60 s', async () => {
    const { command } = await insert(1)
    const { resend } = createIteration()
    expect(await secondsOfGrowth(parts, 260, resend, () => parts.sent.length)).toEqual([5, 15, 35, 75, 135, 195, 255])
    expect(parts.sent[0]).toEqual(command)
  })

  it('ends with the first job-status', async () => {
    const { job, command } = await insert(1)
    const { resend } = createIteration()
    await parts.stores.executions.applyStatuses([
      statusMessage({ job, executionId: command.executionId, state: 'ready' }),
    ])
    expect(await secondsOfGrowth(parts, 100, resend, () => parts.sent.length)).toEqual([])
  })

  it('happens at once for what another process has left behind', async () => {
    await insert(1)
    await insert(2)
    await parts.clock.advance(1)
    const { resend } = createIteration(1)
    await untilNoMore(resend)
    expect(parts.sent).toHaveLength(2)
  })

  it('happens at once after a crash, in pages, whatever the next time is by a clock that was set back', async () => {
    for (let n = 1; n <= 5; n++) await insert(n, monday + n * 10_000)
    const crashed = createIteration(2)
    await parts.clock.advance(50_000)
    parts.executor.accepts = false
    await crashed.resend()
    parts.executor.accepts = true
    parts.clock.step(-86_400_000)
    const { resend } = createIteration(2)
    await insert(6, parts.clock.now())
    await untilNoMore(resend)
    expect(parts.sent.map((command) => command.plannedAt).toSorted()).toEqual(
      [1, 2, 3, 4, 5].map((n) => monday + n * 10_000),
    )
    expect(await secondsOfGrowth(parts, 9, resend, () => parts.sent.length)).toEqual([5])
  })

  it('is not late when the clock is set back while the process runs', async () => {
    await insert(1)
    const { resend } = createIteration()
    await resend()
    parts.clock.step(-86_400_000)
    expect(await secondsOfGrowth(parts, 40, resend, () => parts.sent.length)).toEqual([1, 11, 31])
  })

  it('keeps the waits of what is sent after the clock was set back', async () => {
    const { resend } = createIteration()
    await resend()
    parts.clock.step(-3_600_000)
    await insert(1, parts.clock.now())
    expect(await secondsOfGrowth(parts, 40, resend, () => parts.sent.length)).toEqual([5, 15, 35])
  })

  it('goes on at once while there is more than one iteration takes, but not while the bus refuses commands', async () => {
    for (let n = 1; n <= 5; n++) await insert(n)
    const { resend } = createIteration(2)
    await parts.clock.advance(5000)
    await untilNoMore(resend)
    expect(parts.sent).toHaveLength(5)
    parts.executor.accepts = false
    await parts.clock.advance(10_000)
    expect(await resend()).toBe(false)
  })

  it('sends a command once, also with two processes', async () => {
    await insert(1)
    const [one, two] = [createIteration(), createIteration()]
    await parts.clock.advance(5000)
    await Promise.all([one.resend(), two.resend()])
    expect(parts.sent).toHaveLength(1)
  })
})

describe('repeating fences', () => {
  const cancel = async (n: number, at = monday) => {
    const job = await parts.put(n)
    const cancelled = cancelledJob(job, monday) as Job
    expect(isRefusal(cancelled)).toBe(false)
    await parts.stores.jobs.compareAndSet(job.rowId, 1, cancelled, at + 5000)
    return job
  }
  /** Executors that are away, or confirm. */
  const createIteration = (rows = 20) => {
    const asked: string[] = []
    const state = { isAway: true }
    const executors: Pick<Executors, 'fence'> = {
      async fence(jobId, changes) {
        asked.push(jobId)
        if (state.isAway) throw new Error('no executor is there')
        return { fencedVersion: changes.at(-1)?.version ?? 0, inFlight: [] }
      },
    }
    const { clock, log, stores } = parts
    const backoff = { firstMs: 5000, mostMs: 60_000 }
    const repeat = createRepeatFences({ stores, executors, clock, log }, { share: () => soleShare, rows, backoff })
    return { asked, state, repeat }
  }

  it('happens 5 s after the change, then after 10 s, 20 s, 40 s and every 60 s', async () => {
    await cancel(1)
    const { asked, repeat } = createIteration()
    expect(await secondsOfGrowth(parts, 200, repeat, () => asked.length)).toEqual([5, 15, 35, 75, 135, 195])
  })

  it('happens at once for what another process has left behind', async () => {
    await cancel(1)
    await parts.clock.advance(1)
    const { asked, repeat } = createIteration()
    await repeat()
    await repeat()
    expect(asked).toHaveLength(1)
  })

  it('happens at once after a crash, whatever the next time is by a clock that was set back', async () => {
    for (const n of [1, 2, 3]) await cancel(n, monday + n * 10_000)
    await parts.clock.advance(50_000)
    parts.clock.step(-86_400_000)
    const { asked, repeat } = createIteration(1)
    for (let n = 1; n <= 10; n++) await repeat()
    expect(asked).toHaveLength(3)
    expect(new Set(asked).size).toBe(3)
  })

  it('is not late when the clock is set back while the process runs', async () => {
    await cancel(1)
    const { asked, repeat } = createIteration()
    await repeat()
    parts.clock.step(-86_400_000)
    expect(await secondsOfGrowth(parts, 40, repeat, () => asked.length)).toEqual([1, 11, 31])
  })

  it('keeps the waits of what is changed after the clock was set back', async () => {
    const { asked, repeat } = createIteration()
    await repeat()
    parts.clock.step(-3_600_000)
    await cancel(1, parts.clock.now())
    expect(await secondsOfGrowth(parts, 40, repeat, () => asked.length)).toEqual([5, 15, 35])
  })

  it('ends when the executors have confirmed the version, and takes as many as an iteration may', async () => {
    const jobs = [await cancel(1), await cancel(2), await cancel(3)]
    const { asked, state, repeat } = createIteration(2)
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
