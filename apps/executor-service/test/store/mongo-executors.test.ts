import type { JobExecuteMessage } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { command, executionId, jobId } from '../samples.ts'
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
})
