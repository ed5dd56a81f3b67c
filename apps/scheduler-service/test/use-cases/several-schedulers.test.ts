import { createCommandPublisher, createMemoryBus, ignorePoison } from '@belfry/bus'
import { scheduledExecutionId } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { type RowId, shardOf, soleShare, type WorkShare } from '@belfry/storage'
import { createTestDeps } from '@belfry/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSchedulerMetrics } from '../../src/metrics.ts'
import type { ScheduleStore } from '../../src/store/ports.ts'
import { createAdvanceSchedules } from '../../src/use-cases/advance-schedules.ts'
import { createDueTimer } from '../../src/use-cases/due-timer.ts'
import { createIngestChanges } from '../../src/use-cases/ingest-changes.ts'
import { createScheduleWriter } from '../../src/use-cases/schedule-writer.ts'
import {
  changesOf,
  compile,
  everyMinute,
  horizon,
  hour,
  jobIdOf,
  minute,
  noon,
  once,
  rules,
  second,
} from '../fixtures.ts'
import { createDocumentStores } from '../store/document-stores.ts'
import { mongoUrl, openMongoTestStores } from '../store/mongo.ts'

const overdueMs = 500

type Peers = Pick<WorkShare, 'index' | 'instances'>

/** Several schedulers on one store and one bus, without their loops. */
async function openSchedulers(database: string, peers: readonly Peers[]) {
  const clock = createManualClock(noon)
  const { depsOf } = createTestDeps({ clock })
  const bus = createMemoryBus({ clock, ids: depsOf('scheduler-service').ids, sender: 'test' })
  const commands: string[] = []
  await bus.subscribe('job-execute', 'executor-service', {
    onBatch: async (messages) => void commands.push(...messages.map(({ value }) => value.executionId)),
    onPoison: ignorePoison,
  })
  const { stores } = database === 'MongoDB' ? await openMongoTestStores(clock) : createDocumentStores()
  onTestFinished(stores.close)

  const create = (own: Peers) => {
    const { log, metrics: registry } = createTestDeps({ clock }).depsOf('scheduler-service')
    const counts = { advanced: 0, lost: 0, pages: 0 }
    const schedules: ScheduleStore = {
      ...stores.schedules,
      async compareAndSetMany(swaps) {
        const isSaved = await stores.schedules.compareAndSetMany(swaps)
        counts.lost += isSaved.filter((one) => !one).length
        counts.pages += swaps.length > 0 ? 1 : 0
        return isSaved
      },
    }
    const gauge = { name: 'commands_waiting', help: 'Commands that wait' }
    const backlog = { backlogRows: 10_000, backlogBytes: 1e8 }
    const poison = { keep: async () => undefined }
    const publisher = createCommandPublisher({ bus, clock, log, metrics: registry, poison, gauge, ...backlog })
    const dueTimer = createDueTimer(clock, second)
    const metrics = createSchedulerMetrics(registry)
    const writer = createScheduleWriter({ schedules, rules, publisher, dueTimer, peers: () => own, metrics, log })
    const common = { schedules, writer, compile, rules, clock, log, yieldIfOver: () => undefined }
    const page = { rows: 20, bytes: 1e6 }
    const share = () => ({ ...own, overdueAt: clock.now() - overdueMs })
    const advance = createAdvanceSchedules({ ...common, page, share, fireLog: stores.fireLog })
    const ingest = createIngestChanges({ ...common, page, tries: 3, horizon: () => horizon })
    const advanceDue = async () => {
      counts.advanced += (await advance.advanceDue()).advanced
      await publisher.drain()
    }
    return { counts, nextDueAt: advance.nextDueAt, sendLeftOver: advance.sendLeftOver, ingest, advanceDue }
  }
  const schedulers = peers.map(create)
  return {
    clock,
    commands,
    schedulers,
    stores,
    /** Stores one-shots, all due for the schedulers at once. Answers that moment. */
    async put(count: number): Promise<number> {
      const jobs = Array.from({ length: count }, (_, n) =>
        changesOf([['create', noon, once(noon + 10_000)]], jobIdOf(n)),
      )
      await schedulers[0]?.ingest(jobs)
      return noon + 10_000 - rules.lookAheadMs
    },
  }
}

const three: readonly Peers[] = [0, 1, 2].map((index) => ({ index, instances: 3 }))
const ownOf = (index: number, count: number) =>
  Array.from({ length: count }, (_, n) => jobIdOf(n)).filter((id) => shardOf(id) % 3 === index).length

const databases = ['documents', ...(mongoUrl === undefined ? [] : ['MongoDB'])]

describe.each(databases)('three schedulers on %s', (database) => {
  it('advance what is due at once in equal shares, and lose no compare-and-set to each other', async () => {
    const { clock, commands, schedulers, put } = await openSchedulers(database, three)
    await clock.advance((await put(300)) - noon)
    await Promise.all(schedulers.map((one) => one.advanceDue()))
    expect(schedulers.map(({ counts }) => counts.lost)).toEqual([0, 0, 0])
    expect(schedulers.map(({ counts }) => counts.advanced)).toEqual([0, 1, 2].map((index) => ownOf(index, 300)))
    for (const { counts } of schedulers) expect(counts.pages).toBeLessThan(10)
    expect(commands).toHaveLength(300)
    expect(new Set(commands).size).toBe(300)
  })

  it('would race for the same records if each took all of them', async () => {
    const { clock, commands, schedulers, put } = await openSchedulers(database, [soleShare, soleShare, soleShare])
    await clock.advance((await put(300)) - noon)
    await Promise.all(schedulers.map((one) => one.advanceDue()))
    expect(schedulers.reduce((sum, { counts }) => sum + counts.lost, 0)).toBeGreaterThan(100)
    expect(new Set(commands).size).toBe(300)
  })

  it('advance the share of one that is gone once it is overdue', async () => {
    const { clock, commands, schedulers, put } = await openSchedulers(database, three)
    await clock.advance((await put(60)) - noon)
    const [, second, third] = schedulers
    const advance = async () => {
      await second?.advanceDue()
      await third?.advanceDue()
    }
    await advance()
    await clock.advance(overdueMs - 1)
    await advance()
    expect(commands).toHaveLength(60 - ownOf(0, 60))
    await clock.advance(1)
    await advance()
    expect(new Set(commands).size).toBe(60)
  })

  it('send after a start what is left over of their own share', async () => {
    const { clock, commands, schedulers, put } = await openSchedulers(database, three)
    await clock.advance((await put(60)) - noon)
    await Promise.all(schedulers.map((one) => one.advanceDue()))
    commands.splice(0)
    await clock.advance(1000)
    const since = clock.now()
    for (let after: RowId | null | undefined; after !== null; ) {
      const page: { readonly next: RowId | null } | undefined = await schedulers[1]?.sendLeftOver(since, after ?? null)
      after = page?.next ?? null
    }
    await schedulers[1]?.advanceDue()
    expect(commands).toHaveLength(ownOf(1, 60))
  })

  it('wait for what is due of their own share only, and for what is overdue', async () => {
    const { clock, schedulers, put } = await openSchedulers(database, three)
    const dueAt = await put(1)
    const owner = shardOf(jobIdOf(0)) % 3
    const waits = () => Promise.all(schedulers.map(({ nextDueAt }) => nextDueAt()))
    expect(await waits()).toEqual([0, 1, 2].map((index) => (index === owner ? dueAt : null)))
    await clock.advance(dueAt + overdueMs - noon)
    expect(await waits()).toEqual([dueAt, dueAt, dueAt])
  })
  it('decide once on what became late while all of them were away, in any order', async () => {
    const { clock, commands, schedulers, stores } = await openSchedulers(database, [
      three[0] as Peers,
      three[1] as Peers,
    ])
    const policies = ['run-once', 'run-all', 'skip'] as const
    const jobs = policies.map((policy, n) =>
      changesOf([['create', noon, everyMinute, { policy, withinMs: hour, cap: 4 }]], jobIdOf(n)),
    )
    await schedulers[0]?.ingest(jobs)
    await clock.advance(10 * minute + 30 * second)
    for (let turns = 0; turns < 3; turns++) await Promise.all(schedulers.map((one) => one.advanceDue()))
    const idsOf = (n: number, ...at: number[]) => at.map((one) => scheduledExecutionId(jobIdOf(n), noon + one * minute))
    const expected = [...idsOf(0, 9, 10), ...idsOf(1, 1, 2, 3, 4, 10), ...idsOf(2, 10)]
    expect(commands.toSorted()).toEqual(expected.toSorted())
    const rangesOf = async (n: number) =>
      (await stores.fireLog.listOfJob(jobIdOf(n), { limit: 9 })).map(({ count, reason }) => [count, reason])
    expect([await rangesOf(0), await rangesOf(1), await rangesOf(2)]).toEqual([
      [[8, 'overdue']],
      [[5, 'over-cap']],
      [[9, 'overdue']],
    ])
  })
})
