import { isRefusal } from '@belfry/contracts'
import { createLog, createManualClock } from '@belfry/service'
import { shardOf } from '@belfry/storage'
import { describe, expect, it } from 'vitest'
import { triggerCommand } from '../../src/domain/execution.ts'
import { cancelledJob } from '../../src/domain/job.ts'
import { createRepeatFences } from '../../src/loops/repeat-fences.ts'
import { createResendCommands } from '../../src/loops/resend-commands.ts'
import type { ExecutionStore, StoredJob } from '../../src/store/ports.ts'
import { jobOf, minted, monday } from '../fixtures.ts'
import { createDocumentStores } from '../store/document-stores.ts'

const overdueMs = 500
const count = 60
const backoff = { firstMs: 5000, mostMs: 60_000 }

/** The loops of three instances of job-service on one store, with triggers and changes of which all are due 5 s after monday. */
async function openInstances() {
  const clock = createManualClock(monday)
  const log = createLog({ level: 'silent' })
  const stores = createDocumentStores()
  const [commandIds, jobIds]: string[][] = [[], []]
  for (let n = 1; n <= count; n++) {
    const made = jobOf({ n })
    await stores.jobs.create(made)
    const job = (await stores.jobs.find(made.ownerId, made.id)) as StoredJob
    const executionId = `exe-${monday.toString(36)}-${minted(n)}`
    const command = triggerCommand(job, { executionId, plannedAt: monday })
    const about = { jobRowId: job.rowId, command, hasOwnParams: false, reason: null }
    await stores.executions.insertTrigger({ ...about, nextSendAt: monday + 5000 })
    const cancelled = cancelledJob(job, monday)
    if (!isRefusal(cancelled)) await stores.jobs.compareAndSet(job.rowId, 1, cancelled, monday + 5000)
    commandIds?.push(executionId)
    jobIds?.push(job.id)
  }
  const instances = [0, 1, 2].map((index) => {
    const counts = { lost: 0 }
    const sent: string[] = []
    const fenced: string[] = []
    const share = () => ({ index, instances: 3, overdueAt: clock.now() - overdueMs })
    const executions: ExecutionStore = {
      ...stores.executions,
      async postponeManyIfUnchanged(claims) {
        const claimed = await stores.executions.postponeManyIfUnchanged(claims)
        counts.lost += claims.length - claimed.length
        return claimed
      },
    }
    const commands = {
      async publish(some: readonly { readonly executionId: string }[]) {
        sent.push(...some.map(({ executionId }) => executionId))
        return true
      },
    }
    const executors = {
      async fence(jobId: string) {
        fenced.push(jobId)
        return { fencedVersion: 2, inFlight: [] }
      },
      jobTypes: async () => [],
    }
    const page = { rows: 500, bytes: 1e9 }
    const resend = createResendCommands({ executions, commands, clock, share, page, backoff })
    const repeat = createRepeatFences({ stores, executors, clock, log }, { share, rows: 500, backoff })
    return { counts, sent, fenced, iterate: () => Promise.all([resend(), repeat()]) }
  })
  return { clock, commandIds: commandIds ?? [], jobIds: jobIds ?? [], instances }
}

const shareOf = (index: number, ids: readonly string[]) => ids.filter((id) => shardOf(id) % 3 === index).sort()

describe('three instances of job-service', () => {
  it('repeat commands and fences once each, in shares, and lose no compare-and-set to each other', async () => {
    const { clock, commandIds, jobIds, instances } = await openInstances()
    await clock.advance(5000)
    await Promise.all(instances.map(({ iterate }) => iterate()))
    for (const [index, { counts, sent, fenced }] of instances.entries()) {
      expect(counts.lost).toBe(0)
      expect(sent.sort()).toEqual(shareOf(index, commandIds))
      expect(fenced.sort()).toEqual(shareOf(index, jobIds))
    }
  })

  it('take the share of one that is gone once it is overdue', async () => {
    const { clock, commandIds, jobIds, instances } = await openInstances()
    const [, second, third] = instances
    await clock.advance(5000 + overdueMs - 1)
    await second?.iterate()
    expect([second?.sent.sort(), second?.fenced.sort()]).toEqual([shareOf(1, commandIds), shareOf(1, jobIds)])
    await clock.advance(1)
    await third?.iterate()
    const others = (ids: readonly string[]) => [...shareOf(0, ids), ...shareOf(2, ids)].sort()
    expect([third?.sent.sort(), third?.fenced.sort()]).toEqual([others(commandIds), others(jobIds)])
  })
})
