import { isRefusal } from '@belfry/contracts'
import { createLog, createManualClock } from '@belfry/service'
import { shardOf, soleShare, type WorkShare } from '@belfry/storage'
import { describe, expect, it } from 'vitest'
import { jobConfig } from '../../src/config.ts'
import { pausedJob, updatedJob } from '../../src/domain/job.ts'
import { createEndPauses } from '../../src/loops/end-pauses.ts'
import type { StoredJob } from '../../src/store/ports.ts'
import { type ChangeContext, createTurns } from '../../src/use-cases/change-job.ts'
import { jobOf, monday } from '../fixtures.ts'
import { createDocumentStores } from '../store/document-stores.ts'

const until = monday + 60_000

/** Paused jobs on one store, and the loop of any instance of job-service. */
async function open(count: number) {
  const clock = createManualClock(monday)
  const log = createLog({ level: 'silent' })
  const stores = createDocumentStores()
  const jobs = Array.from({ length: count }, (_, n) => jobOf({ n: n + 1 }))
  for (const job of jobs) {
    await stores.jobs.create(job)
    const paused = pausedJob(job, until, monday)
    const stored = (await stores.jobs.find(job.ownerId, job.id)) as StoredJob
    if (!isRefusal(paused)) await stores.jobs.compareAndSet(stored.rowId, 1, paused, monday)
  }
  const fenced: string[] = []
  const context: ChangeContext = {
    ...{ stores, clock, log, config: jobConfig.parse({}), turns: createTurns() },
    relay: { offer: () => undefined },
    scheduler: { versionOf: async () => 0 },
    executors: {
      async fence(jobId, changes) {
        fenced.push(jobId)
        return { fencedVersion: Math.max(...changes.map(({ version }) => version)), inFlight: [] }
      },
    },
  }
  const loop = (share: Partial<WorkShare> = {}) =>
    createEndPauses(context, { share: () => ({ ...soleShare, ...share }), rows: 7 })
  const read = async () => {
    const found = await Promise.all(jobs.map(({ ownerId, id }) => stores.jobs.find(ownerId, id)))
    return found.map((job) => job as StoredJob)
  }
  return { clock, stores, jobs, fenced, loop, read }
}

describe('the end of pauses', () => {
  it('comes at its moment, for more jobs than one page has, and the executors confirm it', async () => {
    const { clock, jobs, fenced, loop, read } = await open(20)
    const runOnce = loop()
    await clock.advance(59_999)
    await runOnce()
    expect((await read()).map(({ state }) => state)).toEqual(jobs.map(() => 'paused'))
    await clock.advance(1)
    await runOnce()
    for (const job of await read())
      expect(job).toMatchObject({ state: 'active', version: 3, fencedVersion: 3, changedAt: until - 1 })
    expect(fenced.toSorted()).toEqual(jobs.map(({ id }) => id))
    await runOnce()
    expect(fenced).toHaveLength(20)
  })

  it('is made once by several instances that find the same jobs at once', async () => {
    const { clock, loop, read } = await open(20)
    await clock.advance(60_000)
    await Promise.all([loop()(), loop()(), loop()()])
    for (const job of await read()) expect(job).toMatchObject({ state: 'active', version: 3 })
  })

  it('is each instance its own share, until it is overdue', async () => {
    const { clock, loop, read } = await open(20)
    await clock.advance(60_000)
    const share = { instances: 3, index: 1, overdueAt: until - 500 }
    await loop(share)()
    const ended = (await read()).filter(({ state }) => state === 'active')
    expect(ended.map(({ id }) => id)).toEqual((await read()).map(({ id }) => id).filter((id) => shardOf(id) % 3 === 1))
    await loop({ ...share, overdueAt: until })()
    expect((await read()).every(({ state }) => state === 'active')).toBe(true)
  })

  it('does not come for a pause that was made longer meanwhile', async () => {
    const { clock, stores, jobs, loop, read } = await open(1)
    await clock.advance(60_000)
    const { findById } = stores.jobs
    const [job] = jobs
    if (!job) throw new Error('there is no job')
    stores.jobs.findById = async (id) => {
      stores.jobs.findById = findById
      const found = (await findById(id)) as StoredJob
      const longer = pausedJob(found, until + 60_000, clock.now())
      if (!isRefusal(longer)) await stores.jobs.compareAndSet(found.rowId, found.version, longer, monday)
      return found
    }
    await loop()()
    expect((await read())[0]).toMatchObject({ state: 'paused', version: 3, pauseUntil: until + 60_000 })
  })

  it('waits for room among the changes of a job, and holds up no other', async () => {
    const { clock, stores, loop, read } = await open(2)
    let [full] = await read()
    for (let n = 0; full && full.changes.length < 32; n++) {
      const next = updatedJob(full, { spec: { ...full.spec, name: `name ${n}` }, warnings: [] }, monday)
      if (isRefusal(next)) throw new Error(next.detail)
      await stores.jobs.compareAndSet(full.rowId, full.version, next, monday)
      ;[full] = await read()
    }
    await clock.advance(60_000)
    await loop()()
    expect((await read()).map(({ state }) => state)).toEqual(['paused', 'active'])
  })
})
