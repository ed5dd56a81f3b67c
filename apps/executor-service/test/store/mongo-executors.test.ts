import type { JobExecuteMessage } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import type { Execution } from '../../src/executions/execution.ts'
import { command, executionId, jobId, policy } from '../samples.ts'
import { accountFor } from './account.ts'
import { createRandom, runThree } from './mongo-executors.ts'
import { mongoUrl } from './mongo-stores.ts'

/** Executions of many jobs that are due within `spreadMs` from `now` on. */
function some(count: number, now: number, spreadMs: number): JobExecuteMessage[] {
  const random = createRandom(count)
  return Array.from({ length: count }, (_, index) =>
    command({
      executionId: executionId(index + 1),
      jobId: jobId(1 + (index % 97)),
      fireAt: now + Math.floor(random() * spreadMs),
      plannedAt: now,
      priority: 1 + (index % 9),
      params: { ms: Math.floor(random() * 30), ...(index % 50 === 0 && { text: 'x'.repeat(6000) }) },
    }),
  )
}

const policies = ['skip', 'queue', 'cancel-running'] as const

/** Executions of jobs that limit overlap, four of each job, which are due one after the other faster than they run. */
function overlapping(jobs: number, now: number): JobExecuteMessage[] {
  const random = createRandom(jobs)
  return Array.from({ length: 4 * jobs }, (_, index) => {
    const overlap = { policy: policies[index % 3] ?? 'skip', limit: 1 }
    return command({
      executionId: executionId(index + 1),
      jobId: jobId(1 + (index % jobs)),
      fireAt: now + 1000 + 700 * Math.floor(index / jobs),
      plannedAt: now,
      params: { ms: Math.floor(400 + random() * 1200) },
      policy: policy({ overlap }),
    })
  })
}

/** From the first start of a handler to the recorded end. */
function spanOf(one: Execution | undefined): readonly [number, number] | undefined {
  const startedAt = one?.attempts.find((attempt) => attempt.startedAt !== null)?.startedAt
  return one && startedAt ? [startedAt, one.endedAt ?? Number.POSITIVE_INFINITY] : undefined
}

describe.skipIf(mongoUrl === undefined)('three executors on one database whose connections fail', () => {
  it('end each execution once, and explain each start', async () => {
    const options = { seed: 7, sendMs: 3000, faultsMs: 8000, withinMs: 60_000 }
    const account = await runThree((now) => some(300, now, 4000), options)
    expect(accountFor(account)).toMatchObject({
      notEnded: [],
      unexplained: [],
      doubled: [],
      unpublished: [],
      unlisted: [],
    })
    expect(Object.values(account.failures).reduce((sum, one) => sum + one, 0)).toBeGreaterThan(0)
  }, 120_000)

  it('never have two executions of a job at work that limits overlap to one', async () => {
    const options = { seed: 11, sendMs: 500, faultsMs: 6000, withinMs: 60_000 }
    const account = await runThree((now) => overlapping(30, now), options)
    expect(accountFor(account)).toMatchObject({ doubled: [], early: [] })
    const byJob = Map.groupBy(account.records, (one) => one?.jobId)
    for (const records of byJob.values()) {
      const spans = records.flatMap((one) => [spanOf(one) ?? []].filter((span) => span.length === 2))
      const inOrder = spans.toSorted(([a = 0], [b = 0]) => a - b)
      for (const [index, [startedAt = 0]] of inOrder.entries())
        if (index > 0) expect(startedAt, JSON.stringify(records)).toBeGreaterThanOrEqual(inOrder[index - 1]?.[1] ?? 0)
    }
    const states = account.records.map((one) => one?.state)
    expect(states.filter((one) => !['succeeded', 'skipped', 'cancelled'].includes(one ?? ''))).toEqual([])
    expect(states.filter((one) => one === 'skipped').length).toBeGreaterThan(10)
    expect(states.filter((one) => one === 'succeeded').length).toBeGreaterThan(40)
  }, 120_000)
})
