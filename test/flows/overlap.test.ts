import { describe, expect, it } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { useBelfry } from './belfry.ts'

interface Execution {
  id: string
  status: string
  cause: string
  fireAt: string
  startedAt: string | null
  endedAt: string | null
  blockedBy: string | null
  waitingFor: string | null
}

const openStatuses = ['SCHEDULED', 'RUNNING', 'RETRYING']
/** An execution is claimed, and takes its place, so long before its time at the most, milliseconds. */
const claimLeadMs = 400
const timeOf = (text: string | null) => Date.parse(text ?? '')

/** A run of the job's own params that has started; a trigger may find a place taken by a scheduled run that is due within 400 ms. */
async function startByHand({ call }: ReturnType<typeof useBelfry>['user'], key: string): Promise<Execution> {
  for (;;) {
    const trigger = await call<Execution>('POST', `/jobs/${key}/trigger`, { params: { durationMs: 8000 } })
    const found = await eventually('the trigger to start, or to be skipped', async () => {
      const { body } = await call<Execution>('GET', `/executions/${trigger.body.id}`)
      return body.startedAt !== null || body.status === 'SKIPPED' ? body : undefined
    })
    if (found.startedAt !== null) return found
  }
}

/** Starts a run of eight seconds of a per-second job by hand; answers the first two that were due, and were claimed, beside it. */
async function triggerBeside(belfry: ReturnType<typeof useBelfry>, key: string, overlap?: object) {
  const { call } = belfry.user
  const body = { jobType: 'DUMMY', params: { durationMs: 1 }, schedule: '* * * * * *', ...(overlap && { overlap }) }
  expect((await call('PUT', `/jobs/${key}`, body)).status).toBe(201)
  const trigger = await startByHand(belfry.user, key)
  const from = timeOf(trigger.startedAt) + claimLeadMs
  const beside = await eventually('two scheduled runs beside the trigger', async () => {
    const { data } = (await call<{ data: Execution[] }>('GET', `/jobs/${key}/executions?sort=fireAt`)).body
    const during = data.filter((one) => one.cause === 'schedule' && timeOf(one.fireAt) > from).slice(0, 2)
    return during.length === 2 && !during.some((one) => openStatuses.includes(one.status)) ? during : undefined
  })
  expect((await call('POST', `/jobs/${key}/cancel`)).status).toBe(200)
  return { trigger, beside }
}

describe('a manual trigger of a recurring job', () => {
  const belfry = useBelfry()

  it('makes no scheduled run SKIPPED while the owner has not set an overlap', async () => {
    const { beside } = await triggerBeside(belfry, 'default-overlap')
    expect(beside.map((one) => one.status)).toEqual(['SUCCESS', 'SUCCESS'])
  })

  it('takes a place where the owner has set one', async () => {
    const { trigger, beside } = await triggerBeside(belfry, 'own-overlap', { policy: 'skip', limit: 1 })
    expect(beside.map((one) => one.status)).toEqual(['SKIPPED', 'SKIPPED'])
    expect(beside.map((one) => one.blockedBy)).toEqual([trigger.id, trigger.id])
  })
})

/** Runs of a job of each second that take 2.5 s, by fire time, up to the last one that has ended for good. */
async function everySecond(belfry: ReturnType<typeof useBelfry>, overlap: object, count: number) {
  const { call } = belfry.user
  const params = { durationMs: 2500 }
  const made = await call<{ id: string }>('POST', '/jobs', {
    jobType: 'DUMMY',
    params,
    schedule: '* * * * * *',
    overlap,
  })
  expect(made.status).toBe(201)
  const waited = new Map<string, string | null>()
  const runs = await eventually('the runs of some seconds to end', async () => {
    const { data } = (await call<{ data: Execution[] }>('GET', `/jobs/${made.body.id}/executions?limit=50`)).body
    for (const one of data) if (one.waitingFor === 'place') waited.set(one.id, one.blockedBy)
    const first = data.toReversed()
    const open = first.findIndex((one) => openStatuses.includes(one.status))
    const ended = open === -1 ? first : first.slice(0, open)
    return ended.length >= count ? ended : undefined
  })
  expect((await call('POST', `/jobs/${made.body.id}/cancel`)).status).toBe(200)
  return { runs, waited }
}

/** Runs of the list that were at work at a time. */
const atWork = (runs: readonly Execution[], at: number) =>
  runs.filter((one) => timeOf(one.startedAt) <= at && timeOf(one.endedAt) > at)

/** How many runs were at work at once, at the most. */
const mostAtWork = (runs: readonly Execution[]) =>
  Math.max(...runs.map((one) => atWork(runs, timeOf(one.startedAt)).length))

describe('a per-second job whose runs take two and a half seconds', () => {
  const belfry = useBelfry()

  it('runs every third second with overlap skip, and each other one names the run in its way', async () => {
    const { runs } = await everySecond(belfry, { policy: 'skip' }, 7)
    const seconds = runs.slice(0, 7).map((one) => (timeOf(one.fireAt) - timeOf(runs[0]?.fireAt ?? null)) / 1000)
    expect(seconds).toEqual([0, 1, 2, 3, 4, 5, 6])
    const ran = runs.filter((one) => one.status === 'SUCCESS')
    expect(mostAtWork(ran)).toBe(1)
    // On a busy machine the end of a run is stored late, and one more is skipped than the time of a run asks for.
    expect(ran.length).toBeGreaterThanOrEqual(2)
    let blocking = runs[0]
    for (const one of runs) {
      if (one.status === 'SUCCESS') blocking = one
      else expect([one.status, one.blockedBy]).toEqual(['SKIPPED', blocking?.id])
    }
    for (const [index, one] of ran.entries()) {
      const next = ran[index + 1]
      if (next) expect(timeOf(next.fireAt) - timeOf(one.fireAt)).toBeGreaterThanOrEqual(3000)
    }
  })

  it('runs one after the other with overlap queue: one waits, and the others name it', async () => {
    const { runs, waited } = await everySecond(belfry, { policy: 'queue' }, 8)
    const ran = runs.filter((one) => one.startedAt !== null)
    expect(ran.length).toBeGreaterThanOrEqual(3)
    expect(mostAtWork(ran)).toBe(1)
    expect(waited.size).toBeGreaterThan(0)
    for (const [index, one] of runs.entries()) {
      expect(['SUCCESS', 'SKIPPED']).toContain(one.status)
      if (one.status === 'SUCCESS') continue
      const other = runs.slice(0, index).find(({ id }) => id === one.blockedBy)
      expect(timeOf(other?.startedAt ?? null)).toBeGreaterThan(timeOf(one.fireAt))
    }
    // A run that waited starts when the one that it waited for has ended, long before the executor looks again by itself.
    for (const [id, blockedBy] of waited) {
      const [one, other] = [id, blockedBy].map((wanted) => ran.find((run) => run.id === wanted))
      if (one && other) expect(timeOf(one.startedAt) - timeOf(other.endedAt)).toBeLessThan(1500)
    }
  })

  it('ends each run for the next one with overlap cancel-running', async () => {
    const { runs } = await everySecond(belfry, { policy: 'cancel-running' }, 4)
    const ran = runs.filter((one) => one.startedAt !== null)
    expect(ran.length).toBeGreaterThanOrEqual(3)
    expect(mostAtWork(ran)).toBe(1)
    expect(ran.slice(0, -1).map((one) => one.status)).toEqual(ran.slice(1).map(() => 'CANCELLED'))
  })

  it('runs twice at once with allow and limit 2, and each other one names a run in its way', async () => {
    const { runs } = await everySecond(belfry, { policy: 'allow', limit: 2 }, 7)
    expect(mostAtWork(runs)).toBe(2)
    const skipped = runs.filter((one) => one.status === 'SKIPPED')
    expect(skipped.length).toBeGreaterThanOrEqual(2)
    for (const one of skipped) expect(runs.map(({ id }) => id)).toContain(one.blockedBy)
    const statuses = runs.map((one) => one.status)
    expect(statuses.slice(0, 3)).toEqual(['SUCCESS', 'SUCCESS', 'SKIPPED'])
    expect(statuses.slice(3)).toContain('SUCCESS')
  })
})
