import { type Bus, createCommandPublisher, createMemoryBus } from '@belfry/bus'
import type { JobExecuteMessage, ScheduleSpec } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { soleShare } from '@belfry/storage'
import { createTestDeps, sampleJobStatus } from '@belfry/testkit'
import { describe, expect, it } from 'vitest'
import type { Compile } from '../../src/domain/advance.ts'
import { createSchedulerMetrics } from '../../src/metrics.ts'
import { createDueTimer } from '../../src/use-cases/due-timer.ts'
import { createIngestChanges } from '../../src/use-cases/ingest-changes.ts'
import { createIngestStatuses } from '../../src/use-cases/ingest-statuses.ts'
import { createScheduleWriter } from '../../src/use-cases/schedule-writer.ts'
import { changesOf, compile, everyMinute, everySecond, horizon, noon, rules, type Step, second } from '../fixtures.ts'
import { createDocumentStores } from '../store/document-stores.ts'

/** Ingests changes of jobs, and counts what is compiled. */
function openIngest({ publish, backlogRows = 100 }: { publish?: Bus['publish']; backlogRows?: number } = {}) {
  const { clock, depsOf } = createTestDeps({ clock: createManualClock(noon) })
  const { log, ids, metrics: registry } = depsOf('scheduler-service')
  const { schedules } = createDocumentStores().stores
  const compiled: ScheduleSpec[] = []
  const counting: Compile = (schedule, seed) => {
    compiled.push(schedule)
    return compile(schedule, seed)
  }
  const memory = createMemoryBus({ clock, ids, sender: 'test' })
  const bus = publish ? { ...memory, publish } : memory
  const gauge = { name: 'commands_waiting', help: 'Commands that wait' }
  const backlog = { backlogRows, backlogBytes: 1e6, maxInFlight: 1 }
  const poison = { keep: async () => undefined }
  const publisher = createCommandPublisher({ bus, clock, log, metrics: registry, poison, gauge, ...backlog })
  const dueTimer = createDueTimer(clock, second)
  const metrics = createSchedulerMetrics(registry)
  const writer = createScheduleWriter({ schedules, rules, publisher, dueTimer, peers: () => soleShare, metrics, log })
  const page = { rows: 10, bytes: 1e6 }
  const rest = { clock, log, page, tries: 3, horizon: () => horizon, yieldIfOver: () => undefined }
  const ingest = createIngestChanges({ schedules, writer, compile: counting, rules, ...rest })
  const statuses = createIngestStatuses({ ...rest, schedules, writer, rules })
  return { ingest, statuses, compiled, publisher, schedules }
}

describe('the ingest of a change', () => {
  const create: Step = ['create', noon, everySecond]

  it('compiles a new schedule once, to apply it and to advance it', async () => {
    const { ingest, compiled } = openIngest()
    expect(await ingest([changesOf([create])])).toEqual([])
    expect(compiled).toEqual([everySecond])
  })

  it('compiles a schedule once that several changes leave as it is', async () => {
    const { ingest, compiled } = openIngest()
    await ingest([changesOf([create])])
    compiled.length = 0
    await ingest([changesOf([create, ['pause', noon + 1], ['resume', noon + 2], ['update', noon + 3]])])
    expect(compiled).toEqual([everySecond])
  })

  it('compiles the schedule before a change, which ends with it, and the one after it', async () => {
    const { ingest, compiled } = openIngest()
    await ingest([changesOf([create])])
    compiled.length = 0
    await ingest([changesOf([create, ['update', noon + 1, everyMinute]])])
    expect(compiled).toEqual([everySecond, everyMinute])
  })

  it('waits for no bus that takes no commands, and leaves to the records what has no room', async () => {
    const sent: number[] = []
    const publish: Bus['publish'] = (_, messages) => {
      sent.push(messages.length)
      return new Promise(() => undefined)
    }
    const { ingest, statuses, publisher, schedules } = openIngest({ publish, backlogRows: 3 })
    const jobIds = ['job-1', 'job-2', 'job-3', 'job-4']
    const changes = jobIds.map((jobId) => ({ ...changesOf([create]), jobId }))
    expect(await ingest(changes)).toEqual([])
    expect(publisher.isFull()).toBe(true)
    const pendingOf = async () => {
      const rows = await schedules.readMany(jobIds, 1e6)
      return rows.map((row) => (row && 'record' in row ? row.record.pending : []))
    }
    const pending = await pendingOf()
    expect(pending.every((commands) => commands.length > 0)).toBe(true)
    await new Promise<void>((resolve) => setImmediate(resolve))
    expect(sent).toEqual([3])
    const first = pending[0]?.[0]
    await statuses([sampleJobStatus({ jobId: 'job-1', fireAt: first?.fireAt ?? 0, state: 'running' })])
    expect((await pendingOf())[0]).toEqual(pending[0]?.slice(1))
  })

  it('sends a command again at once when its execution is at rest at an older version', async () => {
    const sent: JobExecuteMessage[] = []
    const publish: Bus['publish'] = async (_, messages) =>
      void sent.push(...messages.map(({ value }) => value as JobExecuteMessage))
    const { ingest, statuses, publisher } = openIngest({ publish })
    await ingest([changesOf([create, ['update', noon + 1]])])
    await publisher.drain()
    const [first] = sent.splice(0)
    if (!first) throw new Error('nothing was sent')
    const { executionId, jobId, fireAt } = first
    const shown = sampleJobStatus({ executionId, jobId, fireAt, version: 1, state: 'running' })
    await statuses([shown])
    await publisher.drain()
    expect(sent).toEqual([])
    await statuses([{ ...shown, state: 'superseded' }])
    await publisher.drain()
    expect(sent).toEqual([first])
  })

  it('applies only the newest of several messages about a job', async () => {
    const { ingest, compiled } = openIngest()
    const updated: Step = ['update', noon + 1, everyMinute]
    await ingest([changesOf([create, updated]), changesOf([create])])
    await ingest([changesOf([create])])
    expect(compiled).toEqual([everySecond, everyMinute])
  })
})
