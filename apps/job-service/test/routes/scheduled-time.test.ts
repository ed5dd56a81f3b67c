import { describe, expect, it } from 'vitest'
import { useWorld } from '../world.ts'

interface Shown {
  id: string
  runAt: string
  scheduledTime: string | null
  version: number
}

const text = '2027-01-01T10:00:00'
const runAt = '2027-01-01T10:00:00.000Z'

describe('scheduledTime', () => {
  const world = useWorld()

  it('is shown as it was given, and stays while the job keeps its time', async () => {
    const made = await world.call<Shown>('POST', '/jobs', { jobType: 'DUMMY', scheduledTime: text })
    expect(made.body).toMatchObject({ scheduledTime: text, runAt, version: 1 })
    const { id } = made.body
    const renamed = await world.call<Shown>('PATCH', `/jobs/${id}`, { name: 'other' })
    expect(renamed.body).toMatchObject({ scheduledTime: text, runAt, version: 2 })
    const paused = await world.call<Shown>('POST', `/jobs/${id}/pause`)
    expect(paused.body).toMatchObject({ scheduledTime: text, version: 3 })
    await world.restart()
    expect((await world.call<Shown>('GET', `/jobs/${id}`)).body.scheduledTime).toBe(text)
    const moved = await world.call<Shown>('PATCH', `/jobs/${id}`, { runAt: '2027-01-02T10:00:00Z' })
    expect(moved.body.scheduledTime).toBeNull()
  })

  it('is another text for the same time: the job does not change', async () => {
    const body = { jobType: 'DUMMY', scheduledTime: text }
    const made = await world.call<Shown>('PUT', '/jobs/again', body)
    const again = await world.call<Shown>('PUT', '/jobs/again', { ...body, scheduledTime: '2027-01-01T10:00:00Z' })
    expect([made.status, again.status, again.body.version, again.body.scheduledTime]).toEqual([201, 200, 1, text])
  })

  it('is null for a job that has its time from another field', async () => {
    for (const timing of [{ runAt }, { delay: '1h' }, { schedule: '@daily' }, {}]) {
      const made = await world.call<Shown>('POST', '/jobs', { jobType: 'DUMMY', ...timing })
      expect([made.status, made.body.scheduledTime]).toEqual([201, null])
    }
  })
})
