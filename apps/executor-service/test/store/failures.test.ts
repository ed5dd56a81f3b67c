import type { JobExecuteMessage } from '@belfry/contracts'
import { soleShare } from '@belfry/storage'
import { fatal } from '@belfry/worker'
import { describe, expect, it } from 'vitest'
import type { Execution } from '../../src/executions/execution.ts'
import type { Stores } from '../../src/store/ports.ts'
import { claimedExecution, command, executionId, jobId, policy, runningExecution, start } from '../samples.ts'
import { type Call, openWorld, type World } from '../world.ts'
import { type Failures, failingStores } from './mapped-stores.ts'

const skip = policy({ overlap: { policy: 'skip', limit: 1 } })
const queue = policy({ overlap: { policy: 'queue', limit: 1 } })
const newest = policy({ overlap: { policy: 'cancel-running', limit: 1 } })
const atMostOnce = policy({ onLostLease: 'fail' })

/** Executions of all sorts, due around `at` (milliseconds after the start), with ids from `from` on. */
function some(from: number, at: number): JobExecuteMessage[] {
  const sorts: [number, Partial<JobExecuteMessage>][] = [
    [at, { params: { says: true, ms: 30 } }],
    [at + 100, { params: { fails: true } }],
    [at, { policy: skip, jobId: jobId(99), params: { ms: 150 } }],
    [at + 50, { policy: skip, jobId: jobId(99) }],
    [at + 700, { policy: atMostOnce }],
    [at - 500, { policy: atMostOnce, jobId: jobId(2) }],
    [at - 500, { expiresAt: start + at - 460 }],
    [at, { params: { text: 'x'.repeat(10_000), ms: 130 } }],
    [at, { policy: queue, jobId: jobId(98), params: { ms: 150 } }],
    [at + 50, { policy: queue, jobId: jobId(98) }],
    [at, { policy: newest, jobId: jobId(97), params: { ms: 150 } }],
    [at + 50, { policy: newest, jobId: jobId(97) }],
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

async function accountOf(world: World, { executionId: id, fireAt }: JobExecuteMessage) {
  const { state, seq } = await world.read(id)
  const calls = world.calls.filter(({ context }) => context.executionId === id)
  const published = world.statuses.findLast((one) => one.executionId === id)
  return {
    isExplained: ['succeeded', 'failed'].includes(state) ? calls.length === 1 : calls.length === 0,
    hasEnded: ['succeeded', 'failed', 'cancelled', 'superseded', 'skipped', 'expired'].includes(state),
    isEarly: calls.some(({ at }) => at < fireAt),
    isPublished: published?.seq === seq,
  }
}

const fine = { isExplained: true, hasEnded: true, isEarly: false, isPublished: true }

const steps = ['replace', 'claim', 'start', 'close', 'skip', 'wait', 'wake', 'cancel', 'expire', 'finish']
const calls = [
  ...steps.map((step) => `executions.compareAndSetMany:${step}`),
  ...['fence', 'place', 'settle'].map((step) => `admissions.compareAndSetMany:${step}`),
  ...['insertMany', 'markUnpublished', 'markPublished'].map((verb) => `executions.${verb}`),
  ...['admissions.touch', 'logs.append', 'artifacts.put'],
  'executions.compareAndSetMany:claim and executions.compareAndSetMany:hand-back',
  'admissions.compareAndSetMany:place and executions.compareAndSetMany:hand-back',
]

describe.each(['unavailable', 'outcome-unknown'] as const)(
  'a store of which the calls end as %s for two seconds',
  (code) => {
    it.each(calls)(
      'at %s: each execution runs once to its end',
      async (name) => {
        const failures: Failures = { code, at: new Set(), count: 0 }
        const config = {
          executorIoConcurrency: 4,
          executorClaimAhead: 4,
          executorLogFlushMs: 50,
          executorPlaceGraceMs: 0,
        }
        const world = await openWorld({ config, run, wrapStores: (stores) => failingStores(stores, failures) })
        const all = [...some(1, 200), ...some(21, 600), ...some(41, 2300)]
        const [one, two] = [all.length / 3, (2 * all.length) / 3]
        // The senders of commands send them again when they are refused.
        const send = (commands: JobExecuteMessage[]) => world.command(...commands).catch(() => undefined)
        const cancel = { version: 2, kind: 'cancel', changedAt: start, schedule: { kind: 'manual' } }
        const fence = () => world.internal('PUT', `/internal/admissions/${jobId(2)}`, { changes: [cancel] })

        await send(all.slice(0, one))
        await world.pass(180, 20)
        for (const call of name.split(' and ')) failures.at.add(call)
        await send(all.slice(one, two))
        await send(all.slice(0, two))
        await send([{ ...(all[one] as JobExecuteMessage), version: 2 }])
        await fence()
        await world.pass(2000, 25)
        await send(all.slice(two))
        failures.at.clear()
        await send(all)
        expect((await fence()).statusCode).toBe(200)
        await world.pass(8000, 50)

        expect(failures.count).toBeGreaterThan(0)
        // No caller asks a store that goes wrong as fast as it answers.
        expect(failures.count).toBeLessThan(200)
        const accounts = await Promise.all(all.map((sent) => accountOf(world, sent)))
        expect(accounts.map((account, n) => ({ of: n, ...account }))).toEqual(all.map((_, n) => ({ of: n, ...fine })))
        expect((await world.stores.executions.listUnpublished({ rows: 1, bytes: 1e6 }, soleShare)).rows).toEqual([])
        const taken = (await world.metric('belfry_executor_slots')).filter((line) =>
          /state="(busy|claimed)"/.test(line),
        )
        expect(taken.map((line) => line.split(' ').at(-1))).toEqual(['0', '0', '0', '0'])
        const { rows: lines } = { rows: (await world.get(`/executions/${executionId(1)}/logs`)).json().data }
        expect(lines).toHaveLength(1)
      },
      30_000,
    )
  },
)

describe.each(['unavailable', 'outcome-unknown'] as const)(
  'an executor that takes over, whose store ends as %s',
  (code) => {
    const verbs = ['executors.markGone', 'executors.beat', 'executors.enlist', 'executions.compareAndSetMany:lose']

    it.each(verbs)(
      'at %s for two seconds: what the other one ran runs once to its end',
      async (name) => {
        const failures: Failures = { code, at: new Set(), count: 0 }
        const config = {
          mode: 'distributed' as const,
          executorBeatMs: 500,
          executorLeaseMs: 2000,
          executorIoConcurrency: 4,
          executorClaimAhead: 4,
        }
        const world = await openWorld({ config, wrapStores: (stores) => failingStores(stores, failures) })
        const { executors, executions } = world.stores
        const [me] = await executors.list()
        await executors.enlist('other', null)
        const of = (number: number, change: Partial<Execution>) =>
          claimedExecution({ id: executionId(number), owner: 'other', ...change })
        await executions.insertMany(
          [
            of(1, {}),
            of(2, { policy: atMostOnce }),
            of(3, {}),
            runningExecution({ id: executionId(4), owner: 'other', policy: atMostOnce }),
          ],
          start,
        )
        await world.pass(1900, 25)
        failures.at.add(name)
        // This one is taken for dead meanwhile.
        await executors.remove(me!.instance)
        const due = [5, 6, 7].map((number) =>
          command({ executionId: executionId(number), fireAt: start + 500 * number }),
        )
        await world.command(...due)
        await world.pass(2000, 25)
        failures.at.clear()
        await world.pass(8000, 50)
        expect(failures.count).toBeGreaterThan(0)
        expect(failures.count).toBeLessThan(100)
        const all = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((number) => world.read(executionId(number))))
        expect(all.map((one) => one.state)).toEqual([
          'succeeded',
          'succeeded',
          'succeeded',
          'lost',
          'succeeded',
          'succeeded',
          'succeeded',
        ])
        const calls = all.map(({ id }) => world.calls.filter(({ context }) => context.executionId === id).length)
        expect(calls).toEqual([1, 1, 1, 0, 1, 1, 1])
        const alive = (await executors.list()).filter((one) => !one.gone)
        expect(alive).toHaveLength(1)
      },
      30_000,
    )
  },
)

describe.each(['unavailable', 'outcome-unknown'] as const)('a claim that ends as %s', (code) => {
  it('while another executor was faster does not give back the claim of that one', async () => {
    const failures: Failures = { code, at: new Set(['executions.compareAndSetMany:claim']), count: 0 }
    const wrapStores = (stores: Stores): Stores => ({
      ...stores,
      executions: {
        ...stores.executions,
        async compareAndSetMany(step, updates, at) {
          const isClaim = step === 'claim' && failures.count === 0
          const ofOther = updates.map(({ to, ...one }) => ({ ...one, to: { ...to, owner: 'other' } }))
          if (isClaim) await stores.executions.compareAndSetMany(step, ofOther, at)
          return failingStores(stores, failures).executions.compareAndSetMany(step, updates, at)
        },
      },
    })
    const world = await openWorld({ config: { executorStoreRetryMs: 50 }, wrapStores })
    await world.command(command({ fireAt: start + 300 }))
    await world.pass(600, 10)
    expect(failures.count).toBe(1)
    expect(await world.read(executionId())).toMatchObject({ state: 'running', owner: 'other', epoch: 1 })
    expect(world.calls).toEqual([])
    const claimed = (await world.metric('belfry_executor_slots')).filter((line) => line.includes('state="claimed"'))
    expect(claimed.map((line) => line.split(' ').at(-1))).toEqual(['0', '0'])
  })
})

const many = (count: number) => Array.from({ length: count }, (_, n) => command({ executionId: executionId(n + 1) }))

/** Lets so many milliseconds pass in steps that are small enough for calls that follow each other at once. */
async function passClosely({ clock }: World, ms: number): Promise<void> {
  for (let left = ms; left > 0; left--) {
    await clock.advance(1)
    for (let n = 0; n < 10; n++) await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

describe('an executor with more that is due than one poll takes', () => {
  it.each(['unavailable', 'outcome-unknown'] as const)(
    'does not claim again at once what ended as %s',
    async (code) => {
      const failures: Failures = { code, at: new Set(), count: 0 }
      const config = { executorPollRows: 5, executorClaimAhead: 4, executorIoConcurrency: 4 }
      const world = await openWorld({ config, wrapStores: (stores) => failingStores(stores, failures) })
      failures.at.add('executions.compareAndSetMany:claim')
      await world.command(...many(40))
      await world.pass(900, 50)
      await passClosely(world, 1000)
      // One claim of each: for a start timer, and one for each retry of the store.
      expect(failures.count).toBeLessThan(40)
      failures.at.clear()
      await world.pass(3000, 20)
      expect(world.calls).toHaveLength(40)
    },
  )
})

describe('an executor that was taken for dead and cannot enlist again', () => {
  it('claims nothing until it has', async () => {
    const failures: Failures = { code: 'unavailable', at: new Set(['executors.enlist']), count: 0 }
    let isUp = false
    const wrapStores = (stores: Stores) => {
      const failing = failingStores(stores, failures)
      const enlist = (name: string, address: string | null) => (isUp ? failing : stores).executors.enlist(name, address)
      return { ...stores, executors: { ...stores.executors, enlist } }
    }
    const world = await openWorld({ config: { mode: 'distributed' }, wrapStores })
    isUp = true
    const [me] = await world.stores.executors.list()
    await world.stores.executors.remove(me!.instance)
    await world.pass(600, 20)
    await world.command(command({ policy: atMostOnce }))
    await world.pass(1500, 20)
    expect(world.calls).toEqual([])
    isUp = false
    await world.pass(2000, 20)
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded', epoch: 1 })
  })

  it('does not poll again at once for what it may not claim', async () => {
    const failures: Failures = { code: 'unavailable', at: new Set(), count: 0 }
    let polls = 0
    const wrapStores = (stores: Stores) => {
      const { executions, ...others } = failingStores(stores, failures)
      const listDue: typeof executions.listDue = (query) => {
        polls += 1
        return executions.listDue(query)
      }
      return { ...others, executions: { ...executions, listDue } }
    }
    const config = { mode: 'distributed' as const, executorPollRows: 5 }
    const world = await openWorld({ config, wrapStores })
    const [me] = await world.stores.executors.list()
    failures.at.add('executors.enlist')
    await world.stores.executors.remove(me!.instance)
    await world.pass(600, 20)
    await world.command(...many(20))
    await world.pass(500, 20)
    polls = 0
    await passClosely(world, 1000)
    expect(polls).toBeLessThan(10)
    expect(world.calls).toEqual([])
    failures.at.clear()
    await world.pass(2000, 20)
    expect(world.calls).toHaveLength(20)
  })
})
