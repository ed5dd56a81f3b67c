import { describe, expect, it } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { useBelfry } from './belfry.ts'

interface Execution {
  id: string
  status: string
  cause: string
  fireAt: string
  blockedBy: string | null
}

/** Triggers a per-second job with a run of three seconds; answers its executions once three more fire times have ended. */
async function triggerBeside(belfry: ReturnType<typeof useBelfry>, key: string, overlap?: object) {
  const { call } = belfry.user
  const body = { jobType: 'DUMMY', params: { durationMs: 1 }, schedule: '* * * * * *', ...(overlap && { overlap }) }
  expect((await call('PUT', `/jobs/${key}`, body)).status).toBe(201)
  const trigger = await call<Execution>('POST', `/jobs/${key}/trigger`, { params: { durationMs: 3000 } })
  const beside = await eventually('three scheduled runs beside the trigger', async () => {
    const { data } = (await call<{ data: Execution[] }>('GET', `/jobs/${key}/executions`)).body
    const during = data.filter((one) => one.cause === 'schedule' && one.fireAt > trigger.body.fireAt)
    const ended = during.filter((one) => !['SCHEDULED', 'RUNNING', 'RETRYING'].includes(one.status))
    return ended.length >= 3 ? ended.toReversed().slice(0, 2) : undefined
  })
  expect((await call('POST', `/jobs/${key}/cancel`)).status).toBe(200)
  return { trigger: trigger.body, beside }
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
