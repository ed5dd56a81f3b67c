import { describe, expect, it } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { useBelfry } from './belfry.ts'

interface Job {
  id: string
  state: string
  nextRunAt: string | null
  warnings: { code: string }[]
}
interface Execution {
  status: string
  cause: string
  fireAt: string
}
interface Range {
  from: string
  to: string
  count: number
  decision: string
  reason: string
}

const work = { jobType: 'DUMMY', params: { durationMs: 1 } }

describe('a job with options of its schedule', () => {
  const belfry = useBelfry()
  const call: typeof belfry.user.call = (...args) => belfry.user.call(...args)
  const executionsOf = async (key: string) =>
    (await call<{ data: Execution[] }>('GET', `/jobs/${key}/executions`)).body.data.toReversed()
  const rangesOf = async (key: string, query = '') =>
    (await call<{ data: Range[] }>('GET', `/jobs/${key}/fire-log${query}`)).body.data
  const create = async (key: string, body: object) => {
    const made = await call<Job>('PUT', `/jobs/${key}`, { ...work, ...body })
    expect(made.status, JSON.stringify(made.body)).toBe(201)
    return made.body
  }

  it('runs as often as `maxRuns` says, and is completed then; a trigger does not count', async () => {
    await create('three-runs', { schedule: '* * * * * *', maxRuns: 3 })
    expect((await call('POST', '/jobs/three-runs/trigger')).status).toBe(202)
    await eventually('the job is completed', async () => {
      const { state, nextRunAt } = (await call<Job>('GET', '/jobs/three-runs')).body
      return (state === 'completed' && nextRunAt === null) || undefined
    })
    const executions = await executionsOf('three-runs')
    expect(executions.filter(({ cause }) => cause === 'schedule')).toHaveLength(3)
    expect(executions.map(({ status }) => status)).toEqual(Array(4).fill('SUCCESS'))
    expect(await rangesOf('three-runs')).toEqual([])
  })

  it('starts at its startAt, moved by its jitter, and ends at its endAt', async () => {
    const startAt = Date.now() + 1500
    const window = { startAt: new Date(startAt).toISOString(), endAt: new Date(startAt + 2500).toISOString() }
    await create('a-window', { schedule: { every: '1s' }, jitter: '1s', ...window })
    await eventually('the job is completed', async () => {
      return (await call<Job>('GET', '/jobs/a-window')).body.state === 'completed' || undefined
    })
    const offsets = (await executionsOf('a-window')).map(({ fireAt }) => Date.parse(fireAt) - startAt)
    const shift = offsets[0] as number
    expect([shift >= 0, shift < 1000]).toEqual([true, true])
    expect(offsets).toEqual([0, 1000, 2000].map((ms) => ms + shift).filter((ms) => ms <= 2500))
  })

  it('ends EXPIRED when it runs once and its time lies too far in the past', async () => {
    const runAt = new Date(Date.now() - 60_000).toISOString()
    const { warnings } = await create('too-late', { runAt, expiresAfter: '30s' })
    expect(warnings.map(({ code }) => code)).toEqual(['expired'])
    const ended = await eventually('the execution is over', async () => {
      const [execution] = await executionsOf('too-late')
      return execution && execution.status !== 'SCHEDULED' ? execution : undefined
    })
    expect(ended).toMatchObject({ status: 'EXPIRED', fireAt: runAt })
  })

  it('shows a pause in its fire log while it lasts, and as the same range after the resume', async () => {
    await create('a-pause', { schedule: '* * * * * *' })
    expect((await call('POST', '/jobs/a-pause/pause')).status).toBe(200)
    const running = await eventually('two fire times of the pause', async () => {
      const [range] = await rangesOf('a-pause')
      return range && range.count >= 2 ? range : undefined
    })
    expect(running).toMatchObject({ decision: 'paused', reason: 'paused' })
    expect((await call('POST', '/jobs/a-pause/resume')).status).toBe(200)
    const logged = await eventually('the logged range', async () => {
      const ranges = await rangesOf('a-pause', '?decision=paused')
      return ranges.length === 1 && (await executionsOf('a-pause')).some(({ fireAt }) => fireAt > running.to)
        ? ranges[0]
        : undefined
    })
    expect(logged.from).toBe(running.from)
    expect(logged.count).toBe((Date.parse(logged.to) - Date.parse(logged.from)) / 1000 + 1)
    expect(await rangesOf('a-pause', '?decision=missed')).toEqual([])
    expect(await rangesOf('a-pause', `?to=${new Date(Date.parse(logged.from) - 1).toISOString()}`)).toEqual([])
    expect(await rangesOf('a-pause', '?from=-1h')).toHaveLength(1)
    expect((await call('POST', '/jobs/a-pause/cancel')).status).toBe(200)
  })

  it('can be seen before it is made', async () => {
    const preview = await call<{ text: string; times: { local: string }[] }>('POST', '/schedules/preview', {
      schedule: { cron: '30 9 * * 1-5', timezone: 'Europe/Berlin' },
      count: 3,
    })
    expect(preview.status, JSON.stringify(preview.body)).toBe(200)
    expect(preview.body.text).toBe('at 09:30 on Monday to Friday')
    expect(preview.body.times.map(({ local }) => local.slice(11, 16))).toEqual(['09:30', '09:30', '09:30'])
    const impossible = { schedule: '@daily', endAt: '2020-01-01T00:00:00Z' }
    expect((await call('POST', '/schedules/preview', impossible)).status).toBe(422)
    expect((await call('POST', '/jobs', { ...work, ...impossible })).status).toBe(422)
  })
})
