import { StorageError, soleShare } from '@belfry/storage'
import { createTcpProxy, dropMongoDatabase, type TcpProxy, type TcpProxyMode, uniqueName } from '@belfry/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openAdmission } from '../../src/admission/admission.ts'
import type { Stored, Stores } from '../../src/store/ports.ts'
import { executionId, executions as executionsOf, jobId, start } from '../samples.ts'
import { at, claimed, finished, page } from './contract/kit.ts'
import { databaseUrl, mongoUrl, openMongoStores } from './mongo-stores.ts'

/** Stores behind a proxy, and others beside it that see what is stored. */
async function open(): Promise<{ stores: Stores; direct: Stores; proxy: TcpProxy }> {
  const name = uniqueName('executor')
  const proxy = await createTcpProxy(mongoUrl ?? '')
  const [stores, direct] = [
    await openMongoStores(databaseUrl(name, proxy.port)),
    await openMongoStores(databaseUrl(name)),
  ]
  onTestFinished(async () => {
    await Promise.all([stores.close(), direct.close()])
    await proxy.close()
    await dropMongoDatabase(mongoUrl ?? '', name)
  })
  return { stores, direct, proxy }
}

/** Sets the mode for so long, milliseconds. */
async function during(proxy: TcpProxy, mode: TcpProxyMode, ms: number): Promise<void> {
  await proxy.set(mode)
  await new Promise((resolve) => setTimeout(resolve, ms))
  await proxy.set('pass')
}

const admission = openAdmission(jobId())
const share = { ...soleShare, overdueAt: 0 }
const dueQuery = { now: at, until: at, due: { io: 5, cpu: 5 }, coming: 5, saturated: [], scan: 10, share }
const ofOthers = { pool: 'io', now: at, passOver: [], after: null, scan: 10, limit: 5, share } as const

/** A call of each verb; those that write say so. */
function verbs({ executions, admissions, executors, logs, artifacts, cursors, poison }: Stores, stored: Stored) {
  const { rowId, execution } = stored
  const line = { seq: 1, at, level: 'info' as const, text: 'a line' }
  const summary = { rowId, jobId: jobId(), rev: 1, neededAt: at }
  const message = {
    topic: 'job-execute' as const,
    key: 'k',
    partition: 1,
    offset: '1',
    raw: Buffer.from('x'),
    reason: 'bad',
    group: 'executor-service',
  }
  const reads: (() => Promise<unknown>)[] = [
    () => executions.find([executionId()]),
    () => executions.read([rowId], 1000),
    () => executions.readStates([executionId()]),
    () => executions.readParams([rowId], 1000),
    () => executions.hasOpen([jobId()]),
    () => executions.hasReady(),
    () => executions.listDue(dueQuery),
    () => executions.listDueOfOthers(ofOthers),
    () => executions.listHeld('one'),
    () => executions.listRunningOwners(),
    () => executions.listRunningOf(['one'], page(5)),
    () => executions.listOpen(jobId(), null, null, 5),
    () => executions.listInDoubt(jobId(), at),
    () => executions.listChanges({ after: 0, limit: 5 }),
    () => executions.listUnpublished(page(5), share),
    () => executions.listEnded(at, null, 5),
    () => admissions.read([jobId()]),
    () => admissions.read([jobId(), jobId(2)]),
    () => admissions.listUnsettled(null, 5),
    () => admissions.list(null, 5),
    () => executors.list(),
    () => logs.list(rowId, { after: { epoch: 0, seq: 0 }, epoch: null, limit: 5 }),
    () => logs.listOldest(null, 5),
    () => artifacts.read(rowId, 1, 'a'),
    () => cursors.read('a'),
  ]
  const writes: (() => Promise<unknown>)[] = [
    () =>
      executions.insertMany(
        executionsOf(3, () => ({ params: { text: 'x'.repeat(5000) } })),
        at,
      ),
    () => executions.compareAndSetMany('claim', [{ rowId, from: execution, to: claimed(execution) }], at),
    () => executions.quarantineMany([rowId], at),
    () => executions.markUnpublished([stored]),
    () => executions.markPublished([{ rowId, seq: 1 }]),
    () => executions.purgeMany([{ rowId, seq: 1 }]),
    () => executions.purgeOrphans(at, null, 5),
    () => admissions.compareAndSetMany('fence', [{ from: admission, to: { ...admission, rev: 1 } }], at),
    () => admissions.touch([jobId()], at),
    () => admissions.purgeMany([summary]),
    () => executors.enlist('one', null),
    () => executors.beat('one'),
    () => executors.markGone({ instance: 'one', beat: 1, gone: false }),
    () => executors.remove('one'),
    () => logs.append([{ rowId, epoch: 1, lines: [line] }]),
    () => logs.purgeMany([rowId]),
    () => artifacts.put([{ rowId, epoch: 1, name: 'a', body: Buffer.from('x') }]),
    () => artifacts.purgeOrphans(null, 5),
    () => cursors.write('a', 1),
    () => poison.keep([message]),
  ]
  return { reads, writes }
}

const codeOf = (call: () => Promise<unknown>) =>
  call().then(
    () => 'answered',
    (error: unknown) => (error instanceof StorageError ? error.code : `no StorageError: ${error}`),
  )

describe.skipIf(mongoUrl === undefined)('the executor without its MongoDB server', () => {
  it.each(['refuse', 'hang'] as const)(
    '(%s) gets an error of the store from each verb within some seconds, and answers after its return',
    async (mode) => {
      const { stores, proxy } = await open()
      const [stored] = await stores.executions.insertMany(
        executionsOf(1, () => ({ runAt: at })),
        start,
      )
      const { reads, writes } = verbs(stores, stored!)
      await proxy.set(mode)
      const began = performance.now()
      const codes = await Promise.all(reads.map(codeOf))
      const writeCodes = await Promise.all(writes.map(codeOf))
      // Some calls are several of the database, and each of those ends within 2 s.
      expect(performance.now() - began).toBeLessThan(30_000)
      expect(new Set(codes)).toEqual(new Set(['unavailable']))
      for (const code of writeCodes) expect(['unavailable', 'outcome-unknown']).toContain(code)
      await proxy.set('pass')
      await expect.poll(() => codeOf(() => stores.executors.list()), { timeout: 20_000 }).toBe('answered')
      for (const call of reads) expect(await codeOf(call)).toBe('answered')
    },
    90_000,
  )

  it('asks again when the answer to an insert is lost, and never tells two callers that it was theirs', async () => {
    const { stores, direct, proxy } = await open()
    const some = executionsOf(100, () => ({ runAt: at }))
    const lost = during(proxy, 'lose-answers', 1000)
    const first = await stores.executions.insertMany(some, start).catch((error: StorageError) => error)
    await lost
    const again = await direct.executions.insertMany(some, start)
    const states = await direct.executions.readStates(some.map(({ id }) => id))
    expect(states).toEqual(some.map(() => 'ready'))
    if (first instanceof StorageError) expect(first.code).toBe('outcome-unknown')
    else
      for (const [index, one] of first.entries())
        expect([one === undefined, again[index] === undefined]).not.toEqual([false, false])
    expect((await direct.executions.listUnpublished(page(500), share)).rows).toHaveLength(100)
  }, 60_000)

  it.each([0, 1, 2, 3])(
    'gives each claim to one of two executors when the answers of one are lost (%i)',
    async (seed) => {
      const { stores, direct, proxy } = await open()
      const stored = (
        await direct.executions.insertMany(
          executionsOf(120, () => ({ runAt: at })),
          start,
        )
      ).map((one) => one!)
      const claim = (of: Stores, owner: string) =>
        of.executions
          .compareAndSetMany(
            'claim',
            stored.map(({ rowId, execution: from }) => ({ rowId, from, to: claimed(from, owner) })),
            at,
          )
          .catch((error: StorageError) => error)
      const lost = during(proxy, 'lose-answers', 200 + 400 * seed)
      const [mine, others] = await Promise.all([claim(stores, 'mine'), claim(direct, 'others')])
      await lost
      const records = await direct.executions.read(stored.map(({ rowId }) => rowId))
      const owners = records.map((one) => one?.execution.owner)
      expect(records.every((one) => one?.execution.epoch === 1 && one.execution.seq === 2)).toBe(true)
      if (others instanceof StorageError) throw others
      expect(owners.map((owner) => owner === 'others')).toEqual(others)
      if (mine instanceof StorageError) expect(mine.code).toBe('outcome-unknown')
      else expect(owners.map((owner) => owner === 'mine')).toEqual(mine)
    },
    60_000,
  )

  it('records an end once when its answer is lost and the end is stored again', async () => {
    const { stores, direct, proxy } = await open()
    const [stored] = await direct.executions.insertMany([claimed(executionsOf(1, () => ({}))[0]!)], start)
    const { rowId, execution: from } = stored!
    const finish = () => stores.executions.compareAndSetMany('finish', [{ rowId, from, to: finished(from) }], at)
    const lost = during(proxy, 'lose-answers', 1500)
    const first = await finish().catch((error: StorageError) => error.code)
    await lost
    expect([[true], 'outcome-unknown']).toContainEqual(first)
    await expect.poll(() => finish().catch(() => null), { timeout: 20_000 }).toEqual([false])
    const [found] = await direct.executions.read([rowId])
    expect(found?.execution).toMatchObject({ state: 'succeeded', seq: from.seq + 1 })
  }, 60_000)
})
