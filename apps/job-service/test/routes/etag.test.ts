import type { ExecutionView, JobView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { statusMessage } from '../fixtures.ts'
import { useWorld } from '../world.ts'

describe('the ETag of a job', () => {
  const world = useWorld()
  const make = async () => (await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', schedule: '@hourly' })).body
  const read = (path: string, headers: Record<string, string> = {}) =>
    world.call<JobView>('GET', path, undefined, { headers })
  const tagOf = async (path: string) => String((await read(path)).headers.etag)

  it.each(['', '/status'])(
    'GET /jobs/:id%s stays while what is shown stays, and spares the body to who has it',
    async (part) => {
      const { id } = await make()
      const path = `/jobs/${id}${part}`
      await world.pass(1)
      const etag = await tagOf(path)
      expect(await tagOf(path)).toBe(etag)
      for (const header of [etag, etag.slice(2), '*', `"x", ${etag}`]) {
        const same = await read(path, { 'if-none-match': header })
        expect([same.status, same.headers.etag, same.body]).toEqual([304, etag, null])
      }
      for (const header of ['"1"', 'W/"1.00000000"', 'nonsense'])
        expect((await read(path, { 'if-none-match': header })).status).toBe(200)
    },
  )

  it('is not needed for a PUT that makes a job only where there is none', async () => {
    const put = (ifNoneMatch: string, priority: number, ref = 'new-alone') =>
      world.call<JobView>(
        'PUT',
        `/jobs/${ref}`,
        { jobType: 'DUMMY', priority },
        { headers: { 'if-none-match': ifNoneMatch } },
      )
    const made = await put('*', 3)
    expect(made.status).toBe(201)
    for (const ref of ['new-alone', made.body.id])
      expect(await put('*', 4, ref)).toMatchObject({ status: 412, body: { code: 'version-mismatch' } })
    expect(await put('"1"', 4)).toMatchObject({ status: 400, body: { errors: [{ pointer: 'If-None-Match' }] } })
    expect((await read('/jobs/new-alone')).body).toMatchObject({ priority: 3, version: 1 })
    await world.call('DELETE', '/jobs/new-alone')
    expect((await put('*', 5)).status).toBe(201)
  })

  it('changes with the status and the next run, without another version', async () => {
    const { id } = await make()
    await world.pass(1)
    const before = await tagOf(`/jobs/${id}`)
    const job = (await world.stores.jobs.find('usr-a', id))!
    await world.executor.publish(statusMessage({ job, state: 'failed' }))
    const after = await tagOf(`/jobs/${id}`)
    expect([before.slice(0, 5), after.slice(0, 5)]).toEqual(['W/"1.', 'W/"1.'])
    expect(after).not.toBe(before)
    expect((await read(`/jobs/${id}`, { 'if-none-match': before })).status).toBe(200)
  })

  it('is what If-Match takes, as it was given or as the bare version, whatever else has changed', async () => {
    const { id } = await make()
    const etag = await tagOf(`/jobs/${id}`)
    await world.pass(1)
    const patch = (ifMatch: string, priority: number) =>
      world.call<JobView>('PATCH', `/jobs/${id}`, { priority }, { headers: { 'if-match': ifMatch } })
    const changed = await patch(etag, 1)
    expect([changed.status, changed.body.version]).toEqual([200, 2])
    expect((await patch(etag, 2)).status).toBe(412)
    expect((await patch('"2"', 3)).status).toBe(200)
  })

  it('of the answer to a change is the one that a read gives', async () => {
    const { id } = await make()
    await world.pass(1)
    const changed = await world.call('POST', `/jobs/${id}/pause`)
    await world.pass(1)
    expect(await tagOf(`/jobs/${id}`)).toBe(changed.headers.etag)
  })

  it('is there for executions, over their state', async () => {
    const { id } = await make()
    const { body } = await world.call<ExecutionView>('POST', `/jobs/${id}/trigger`)
    const path = `/executions/${body.id}`
    const etag = await tagOf(path)
    expect((await read(path, { 'if-none-match': etag })).status).toBe(304)
    const job = (await world.stores.jobs.find('usr-a', id))!
    await world.executor.publish(statusMessage({ job, executionId: body.id, cause: 'manual', state: 'succeeded' }))
    const after = await read(path, { 'if-none-match': etag })
    expect([after.status, after.body.status]).toEqual([200, 'SUCCESS'])
  })
})
