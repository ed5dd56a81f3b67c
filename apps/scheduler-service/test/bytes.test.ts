import { createMemoryBus, ignorePoison } from '@belfry/bus'
import type { JobChangesMessage, JobExecuteMessage } from '@belfry/contracts'
import { createLog, createManualClock, createMetrics, createSeededIds } from '@belfry/service'
import { afterEach, describe, expect, it } from 'vitest'
import { commandOf } from '../src/domain/schedule-record.ts'
import { createSender } from '../src/loops/sender.ts'
import { changesOf, jobIdOf, noon, once, second, specOf } from './fixtures.ts'
import { openWorld, type World } from './world.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** The commands of one job with params of so many characters, which they share. */
function commandsOf(count: number, length: number, number = 1): JobExecuteMessage[] {
  const spec = { ...specOf(once(noon)), params: { text: 'x'.repeat(length) } }
  const record = { jobId: jobIdOf(number), ownerId: 'usr-1', version: 1, state: 'active', endedAt: null, spec } as const
  const rest = {
    olderSpecs: [],
    nextFireAt: null,
    lastFireAt: null,
    fired: 0,
    pending: [],
    undelivered: [],
    aside: null,
  }
  const pending = (n: number) => ({ fireAt: noon + n, version: 1, plannedAt: noon, nextSendAt: noon, tries: 0 })
  return Array.from({ length: count }, (_, n) => commandOf({ ...record, ...rest }, pending(n)))
}

/** A sender before a bus whose taker lets go of one batch at a time. */
async function openSender(limits: { backlogBytes: number; batchBytes: number }) {
  const clock = createManualClock()
  const bus = createMemoryBus({ clock, ids: createSeededIds(1), sender: 'test' })
  const batches: number[] = []
  const open: (() => void)[] = []
  await bus.subscribe('job-execute', 'executor-service', {
    onBatch: async (messages) => {
      batches.push(messages.length)
      await new Promise<void>((resolve) => open.push(resolve))
    },
    onPoison: ignorePoison,
  })
  const metrics = createMetrics().forService('scheduler-service')
  const sender = createSender({
    bus,
    backlog: 1000,
    batchRows: 1000,
    ...limits,
    log: createLog({ level: 'silent' }),
    metrics,
  })
  const letGo = async () => {
    open.shift()?.()
    for (let turns = 0; turns < 3; turns++) await turn()
  }
  return { sender, batches, letGo }
}

describe('the way of commands to the bus', () => {
  it('is bounded by bytes: what brings more has to wait, and a publish holds no more than it may', async () => {
    const { sender, batches, letGo } = await openSender({ backlogBytes: 50_000, batchBytes: 25_000 })
    const commands = [1, 2, 3, 4, 5].flatMap((number) => commandsOf(1, 10_000, number))
    let isReady = false
    const sent = sender.send(commands).then(() => {
      isReady = true
    })
    await turn()
    await turn()
    expect([isReady, batches]).toEqual([false, [2]])
    await letGo()
    await letGo()
    await letGo()
    await sent
    await sender.drain()
    expect(batches).toEqual([2, 2, 1])
  })

  it('counts the params once that the commands of a job share', async () => {
    const { sender, batches, letGo } = await openSender({ backlogBytes: 200_000, batchBytes: 200_000 })
    await sender.send(commandsOf(64, 100_000))
    await turn()
    await turn()
    expect(batches.length).toBe(1)
    await letGo()
    await letGo()
  })
})

describe('large jobs', () => {
  let world: World
  afterEach(() => world.close())
  const job = (number: number, runAt = noon + 10 * second): JobChangesMessage => {
    const message = changesOf([['create', noon - 61 * second, once(runAt)]], jobIdOf(number))
    return { ...message, spec: { ...message.spec, params: { number, text: 'x'.repeat(20_000) } } }
  }
  const ids = (count: number) => Array.from({ length: count }, (_, n) => n + 1)

  it('are taken over, handed over and answered for one by one where no more fits into a page', async () => {
    world = await openWorld({ schedulerPageBytes: 1, schedulerSendBytes: 1, schedulerSendBacklogBytes: 1 })
    await world.tell(...ids(5).map((number) => job(number)))
    await world.pass(6 * second, 200)
    await world.until(() => world.executors.commands.length === 5)
    expect(world.executors.commands.map(({ params }) => params.number).sort()).toEqual(ids(5))
    const pending = async () => {
      const [one] = await world.stores.schedules.readWaiting([jobIdOf(3)], 1e6)
      return one
    }
    await world.until(async () => (await pending()) === undefined)
  })

  it('of which one cannot be taken over stop no others from coming back to a lost store', async () => {
    world = await openWorld({ schedulerReconcileRows: 7 })
    for (const number of ids(20)) world.jobs.keep(job(number))
    const bad = { ...job(10), version: 'one' } as unknown as JobChangesMessage
    world.jobs.keep({ ...bad, changes: job(10).changes })
    await world.joinJobs()
    const known = async () => (await world.stores.schedules.versions(ids(20).map(jobIdOf))).filter((one) => one === 1)
    await world.until(async () => (await known()).length === 19)
    const readiness = await world.service.app.inject({ method: 'GET', url: '/readyz?verbose' })
    expect(readiness.statusCode).toBe(200)
    expect(readiness.json().checks).toContainEqual(expect.objectContaining({ name: 'reconcile jobs', ok: false }))
    world.jobs.keep(job(10))
    await world.pass(30 * second, 500)
    await world.until(async () => (await known()).length === 20)
    const mended = await world.service.app.inject({ method: 'GET', url: '/readyz?verbose' })
    expect(mended.json().checks).toContainEqual(expect.objectContaining({ name: 'reconcile jobs', ok: true }))
  })
})
