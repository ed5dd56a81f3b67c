import { createLog, createManualClock } from '@belfry/service'
import { StorageError, soleShare } from '@belfry/storage'
import { describe, expect, it } from 'vitest'
import { jobConfig } from '../../src/config.ts'
import type { Job } from '../../src/domain/job.ts'
import { eventsIn } from '../../src/domain/job-event.ts'
import { createReportEvents } from '../../src/loops/report-events.ts'
import type { Stores } from '../../src/store/ports.ts'
import { createTurns } from '../../src/use-cases/change-job.ts'
import type { ReportEventsContext } from '../../src/use-cases/report-events.ts'
import { jobOf, monday, statusMessage } from '../fixtures.ts'
import { notificationOf } from '../notification-samples.ts'
import { createDocumentStores } from '../store/document-stores.ts'

/** Jobs of one owner with failed executions, and the loop of any instance. */
async function open(jobCount: number, failures: number) {
  const clock = createManualClock(monday)
  const stores = createDocumentStores()
  const jobs: Job[] = Array.from({ length: jobCount }, (_, n) => jobOf({ n: n + 1 }))
  for (const job of jobs) await stores.jobs.create(job)
  await stores.notifications.create(notificationOf({ on: ['failed', 'recovered'] }), 10)
  const messages = jobs.flatMap((job) =>
    Array.from({ length: failures }, (_, n) =>
      statusMessage({ job, fireAt: monday + n, state: 'failed', endedAt: monday }),
    ),
  )
  await stores.events.insertManyIfAbsent(eventsIn(messages, monday))
  await stores.executions.applyStatuses(messages)
  const loopOn = (used: Stores) => {
    const context: ReportEventsContext = {
      ...{
        stores: used,
        clock,
        log: createLog({ level: 'silent' }),
        config: jobConfig.parse({}),
        turns: createTurns(),
      },
      relay: { offer: () => undefined },
      scheduler: { versionOf: async () => 0 },
      executors: { fence: async () => ({ fencedVersion: 1, inFlight: [] }) },
      onDropped: () => undefined,
    }
    return createReportEvents(context, { share: () => soleShare, rows: 1000, onReported: () => undefined })
  }
  const messagesOf = async () => {
    const all = await stores.deliveries.listOfNotification('ntf-1', { after: null, limit: 1000 })
    return all.map(({ jobId, message }) => [jobId, message.data.count] as const)
  }
  const waiting = async () => (await stores.events.listDue(monday * 2, 1000, soleShare)).rows.length
  return { clock, stores, jobs, loopOn, messagesOf, waiting }
}

describe('events of jobs', () => {
  it('become one message of each job, also where several instances take them at the same time', async () => {
    const { clock, stores, jobs, loopOn, messagesOf, waiting } = await open(8, 5)
    const loops = [loopOn(stores), loopOn(stores), loopOn(stores)]
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(loops.map((loop) => loop()))
      await clock.advance(61_000)
    }
    expect(await waiting()).toBe(0)
    const made = await messagesOf()
    expect(made.map(([jobId]) => jobId).toSorted()).toEqual(jobs.map(({ id }) => id).toSorted())
    expect(made.map(([, count]) => count)).toEqual(jobs.map(() => 5))
  })

  it('are reported after a process that died between event and execution was away for long', async () => {
    const { clock, stores, loopOn, messagesOf, waiting } = await open(1, 0)
    const messages = [statusMessage({ job: jobOf({ n: 1 }), fireAt: monday, state: 'failed', endedAt: monday })]
    await stores.events.insertManyIfAbsent(eventsIn(messages, monday))
    await clock.advance(3_600_000)
    const loop = loopOn(stores)
    await loop()
    expect([await messagesOf(), await waiting()]).toEqual([[], 1])
    await stores.executions.applyStatuses(messages)
    await clock.advance(60_000)
    await loop()
    expect([await messagesOf(), await waiting()]).toEqual([[[jobOf().id, 1]], 0])
  })

  it('become one message wherever a process dies on the way', async () => {
    for (let step = 1; ; step += 1) {
      const { clock, stores, loopOn, messagesOf, waiting } = await open(1, 3)
      let calls = 0
      const dying = <S extends object>(store: S): S => {
        const verbs = Object.entries(store).map(([name, verb]) => {
          const call = async (...args: unknown[]) => {
            calls += 1
            if (calls === step) throw new StorageError('unavailable', 'the process dies')
            const answer = await verb(...args)
            return answer
          }
          return [name, call]
        })
        return Object.fromEntries(verbs) as S
      }
      const { alerts, deliveries, events, notifications } = stores
      const mortal: Stores = {
        ...stores,
        ...{ alerts: dying(alerts), deliveries: dying(deliveries), events: dying(events) },
        notifications: dying(notifications),
      }
      await loopOn(mortal)().catch(() => undefined)
      const hasDied = calls >= step
      // What was reported and not marked comes again after the window.
      for (let round = 0; round < 3; round += 1) {
        await loopOn(stores)()
        await clock.advance(61_000)
      }
      expect([await messagesOf(), await waiting()], `step ${step}`).toEqual([[[jobOf().id, 3]], 0])
      if (!hasDied) {
        expect(step).toBeGreaterThan(5)
        return
      }
    }
  })
})
