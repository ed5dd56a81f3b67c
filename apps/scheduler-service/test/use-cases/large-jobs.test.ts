import type { JobChangesMessage } from '@belfry/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { changesOf, jobIdOf, noon, once, second } from '../fixtures.ts'
import { openWorld, type World } from '../world.ts'

describe('large jobs', () => {
  let world: World
  afterEach(() => world.close())
  const job = (number: number, runAt = noon + 10 * second): JobChangesMessage => {
    const message = changesOf([['create', noon - 61 * second, once(runAt)]], jobIdOf(number))
    return { ...message, spec: { ...message.spec, params: { number, text: 'x'.repeat(20_000) } } }
  }
  const ids = (count: number) => Array.from({ length: count }, (_, n) => n + 1)

  it('are applied, sent and acknowledged one by one where a page holds no more', async () => {
    world = await openWorld({ schedulerPageBytes: 1, schedulerSendBytes: 1, schedulerSendBacklogBytes: 1 })
    await world.publishChanges(...ids(5).map((number) => job(number)))
    await world.pass(6 * second, 200)
    await world.until(() => world.executors.commands.length === 5)
    expect(world.executors.commands.map(({ params }) => params.number).sort()).toEqual(ids(5))
    const pending = async () => {
      const [one] = await world.stores.schedules.readManyIfPending([jobIdOf(3)], 1e6)
      return one
    }
    await world.until(async () => (await pending()) === undefined)
  })

  it('of which one cannot be applied do not stop reconcile from filling a lost store', async () => {
    world = await openWorld({ schedulerReconcileRows: 7 })
    for (const number of ids(20)) world.jobs.put(job(number))
    const bad = { ...job(10), version: 'one' } as unknown as JobChangesMessage
    world.jobs.put({ ...bad, changes: job(10).changes })
    await world.joinJobs()
    const known = async () =>
      (await world.stores.schedules.readVersions(ids(20).map(jobIdOf))).filter((one) => one === 1)
    await world.until(async () => (await known()).length === 19)
    const isOk = async () => {
      const readiness = await world.service.app.inject({ method: 'GET', url: '/readyz?verbose' })
      expect(readiness.statusCode).toBe(200)
      const checks = readiness.json().checks as { name: string; ok: boolean }[]
      return checks.find(({ name }) => name === 'reconcile jobs')?.ok
    }
    await world.until(async () => (await isOk()) === false)
    world.jobs.put(job(10))
    await world.pass(30 * second, 500)
    await world.until(async () => (await known()).length === 20)
    await world.until(async () => (await isOk()) === true)
  })
})
