import type { JobView, Problem } from '@belfry/contracts'
import { compileSchedule } from '@belfry/time'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { useWorld } from '../world.ts'

vi.mock(import('@belfry/time'), async (importOriginal) => {
  const time = await importOriginal()
  return { ...time, compileSchedule: vi.fn(time.compileSchedule) }
})

describe('a schedule', () => {
  const world = useWorld()
  const put = (schedule: string) => world.call<JobView>('PUT', '/jobs/nightly', { jobType: 'DUMMY', schedule })
  beforeEach(() => void vi.mocked(compileSchedule).mockClear())

  it.each(['*/5 * * * *', 'H H * * *', '@daily'])(
    'is compiled once when a job is created and shown: %s',
    async (schedule) => {
      const { status, body } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', schedule })
      expect([status, typeof body.nextRunAt]).toEqual([201, 'string'])
      await world.call('GET', `/jobs/${body.id}`)
      expect(compileSchedule).toHaveBeenCalledOnce()
    },
  )

  it('is compiled once when a PUT creates its job, once when a PUT compares it, and once to be shown when a PUT replaces it', async () => {
    expect((await put('0 3 * * *')).status).toBe(201)
    expect(compileSchedule).toHaveBeenCalledOnce()
    expect((await put('0 3 * * *')).status).toBe(200)
    expect(compileSchedule).toHaveBeenCalledTimes(2)
    expect((await put('0 4 * * *')).status).toBe(200)
    expect(compileSchedule).toHaveBeenCalledTimes(4)
  })

  it('is compiled once when it is malformed, and refused alike with and without issues of other fields', async () => {
    const create = (body: object) =>
      world.call<Problem>('POST', '/jobs', { jobType: 'DUMMY', schedule: '61 * * * *', ...body })
    const alone = await create({})
    expect(compileSchedule).toHaveBeenCalledOnce()
    const together = await create({ priority: 0 })
    expect(compileSchedule).toHaveBeenCalledTimes(2)
    const { errors, requestId, ...problem } = alone.body
    expect(together.body).toMatchObject(problem)
    expect(together.body.errors).toEqual(expect.arrayContaining(errors ?? []))
  })
})
