import type { JobExecuteMessage } from '@belfry/contracts'
import { soleShare } from '@belfry/storage'
import { type Database, openMemoryDatabase } from '@belfry/storage/sqlite'
import { fatal } from '@belfry/worker'
import { describe, expect, it, onTestFinished } from 'vitest'
import { migrations } from '../../src/store/sqlite/index.ts'
import { command, executionId, jobId, policy, start } from '../samples.ts'
import { type Call, openWorld, type World } from '../world.ts'

const skip = policy({ overlap: { policy: 'skip', limit: 1 } })
const atMostOnce = policy({ onLostLease: 'fail' })
const slow = { ms: 150 }

/** Six executions of all sorts, due around `at` (milliseconds after the start), with ids from `from` on. */
function some(from: number, at: number): JobExecuteMessage[] {
  const sorts: [number, Partial<JobExecuteMessage>][] = [
    [at, { params: { says: true, ms: 30 } }],
    [at + 100, { params: { fails: true } }],
    [at, { policy: skip, jobId: jobId(99), params: slow }],
    [at + 50, { policy: skip, jobId: jobId(99) }],
    [at + 700, { policy: atMostOnce }],
    [at - 500, { policy: atMostOnce, jobId: jobId(2) }],
  ]
  return sorts.map(([ms, more], n) => command({ executionId: executionId(from + n), fireAt: start + ms, ...more }))
}

async function run({ params, context }: Call): Promise<void> {
  if (params.says) {
    context.log('info', 'at work')
    context.artifact('a.txt', 'text/plain', 'made')
  }
  await new Promise<void>((resolve) => context.clock.callAfter(Number(params.ms ?? 0), resolve))
  if (params.fails) throw fatal('no-good', 'It did not work.')
}

/** A store in memory of which, when the test asks for it, each third read fails. */
async function openFlaky() {
  const real = await openMemoryDatabase(migrations)
  onTestFinished(() => real.close())
  const reads = { areFailing: false, count: 0 }
  const check = () => {
    reads.count += 1
    if (reads.areFailing && reads.count % 3 === 0) throw new Error('made to fail: a read')
  }
  const db: Database = {
    ...real,
    async read(...args) {
      check()
      return real.read(...args)
    },
    async readEach(...args) {
      check()
      return real.readEach(...args)
    },
  }
  return { db, reads }
}

/** What the record, the calls and the statuses say of one execution, in short. */
async function accountOf(world: World, { executionId: id, fireAt }: JobExecuteMessage) {
  const { state, seq, losses, inDoubt, epoch } = await world.read(id)
  const calls = world.calls.filter(({ context }) => context.executionId === id)
  const shown = world.statuses.findLast((one) => one.executionId === id)
  return {
    isExplained: ['succeeded', 'failed'].includes(state) ? calls.length === 1 : calls.length === 0,
    hasEnded: ['succeeded', 'failed', 'cancelled', 'skipped'].includes(state),
    isEarly: calls.some(({ at }) => at < fireAt),
    isPublished: shown?.seq === seq,
    wasLost: losses > 0 || inDoubt.length > 0,
    wasClaimedOften: epoch > 5,
  }
}

const fine = {
  isExplained: true,
  hasEnded: true,
  isEarly: false,
  isPublished: true,
  wasLost: false,
  wasClaimedOften: false,
}
const verbs = ['insert', 'replace', 'claim', 'start', 'close', 'skip', 'hand-back', 'finish', 'republish'].map(
  (step) => `executions.${step}`,
)

describe('a store that fails for two seconds', () => {
  const others = ['admissions.place', 'admissions.fence', 'outbox.mark', 'logs.append', 'artifacts.put', 'reads']
  const together = ['reads and executions.hand-back', 'executions.claim and executions.hand-back']
  it.each([...verbs, ...others, ...together])(
    'at %s: nothing is lost, doubled, early, or held for ever',
    async (names) => {
      const { db, reads } = await openFlaky()
      const config = { executorIoConcurrency: 4, executorClaimAhead: 4, executorLogFlushMs: 50 }
      const world = await openWorld({ db, config, run })
      const all = [...some(1, 200), ...some(11, 600), ...some(21, 2300)]
      // The senders of commands send them again when they are refused.
      const send = (commands: JobExecuteMessage[]) => world.command(...commands).catch(() => undefined)

      await send(all.slice(0, 6))
      await world.pass(180, 20)
      for (const name of names.split(' and ')) if (name !== 'reads') world.failing.add(name)
      reads.areFailing = names.includes('reads')
      await send(all.slice(6, 12))
      await send(all.slice(0, 12))
      const cancel = { version: 2, kind: 'cancel', changedAt: start, schedule: { kind: 'manual' } }
      await world.internal('PUT', `/internal/admissions/${jobId(2)}`, { changes: [cancel] })
      await world.pass(2000, 25)
      await send(all.slice(12))
      world.failing.clear()
      reads.areFailing = false
      await send(all)
      await world.pass(6000, 50)

      for (const one of all) expect({ of: one.executionId, ...(await accountOf(world, one)) }).toMatchObject(fine)
      expect((await world.stores.executions.listUnpublished({ rows: 1, bytes: 1e6 }, soleShare)).rows).toEqual([])
      const taken = (await world.metric('belfry_executor_slots')).filter((line) => /state="(busy|claimed)"/.test(line))
      expect(taken.map((line) => line.split(' ').at(-1))).toEqual(['0', '0', '0', '0'])
    },
  )
})
