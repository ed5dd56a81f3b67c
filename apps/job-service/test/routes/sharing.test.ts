import type { ExecutionView, JobView, ListedJobView, Page, Problem } from '@belfry/contracts'
import { beforeAll, describe, expect, it } from 'vitest'
import { statusMessage } from '../fixtures.ts'
import { pointersOf, useWorld } from '../world.ts'

describe('a shared job', () => {
  const world = useWorld()
  const ben = { user: 'usr-b' }
  const operator = { user: 'usr-o', roles: ['operator' as const] }
  const body = { jobType: 'DUMMY', params: { durationMs: 7 }, schedule: '@hourly', viewers: ['Ben'] }
  let job: JobView
  let failed: string
  beforeAll(async () => {
    job = (await world.call<JobView>('PUT', '/jobs/shared', body)).body
    const stored = (await world.stores.jobs.find('usr-a', job.id))!
    const status = statusMessage({ job: stored, state: 'failed', result: { secret: 1 } })
    failed = status.executionId
    await world.executor.publish(status)
  })

  it('names its viewers by the names that they signed up with', () => {
    expect(job).toMatchObject({ viewers: ['Ben'], version: 1 })
  })

  it('stays as it is when the same names come again, in any case, and auth-service is not asked', async () => {
    const asked = world.users.state.asked.length
    const again = await world.call<JobView>('PUT', '/jobs/shared', { ...body, viewers: ['BEN', 'ben'] })
    expect([again.status, again.body.version, world.users.state.asked.length]).toEqual([200, 1, asked])
  })

  it('refuses names that no user has, each by its place', async () => {
    const answer = await world.call('POST', '/jobs', { ...body, viewers: ['Ben', 'Zoe', 'cat', 'Yan'] })
    expect([answer.status, pointersOf(answer.body)]).toEqual([422, ['/viewers/1', '/viewers/3']])
    const many = { ...body, viewers: Array.from({ length: 21 }, (_, n) => `u${n}`) }
    expect((await world.call('POST', '/jobs', many)).status).toBe(400)
  })

  it('is refused with 503 while auth-service does not answer, and other jobs are not', async () => {
    await world.users.leave()
    const answer = await world.call('POST', '/jobs', { ...body, viewers: ['cat'] })
    const other = await world.call('POST', '/jobs', { ...body, viewers: [] })
    await world.users.join()
    expect([answer.status, answer.headers['retry-after'], other.status]).toEqual([503, '1', 201])
  })

  it('is shown to a viewer with its params, and without the calls that are the owner’s', async () => {
    const { body: shown } = await world.call<JobView>('GET', `/jobs/${job.id}`, undefined, ben)
    expect(shown).toMatchObject({ id: job.id, params: { durationMs: 7 }, ownerId: 'usr-a' })
    expect(Object.keys(shown.links)).toEqual(['self', 'status', 'next-runs', 'fire-log', 'executions', 'history'])
    for (const part of ['/status', '/next-runs', '/executions', '/history'])
      expect((await world.call('GET', `/jobs/${job.id}${part}`, undefined, ben)).status).toBe(200)
    const execution = await world.call<ExecutionView>('GET', `/executions/${failed}`, undefined, ben)
    expect(execution.body).toMatchObject({ params: { durationMs: 7 }, result: { secret: 1 } })
    expect(Object.keys(execution.body.links)).toEqual(['self', 'job', 'logs'])
  })

  it('is on the list of what is shared with the viewer, and on no other', async () => {
    const ids = async (scope: string, options?: object) =>
      (await world.call<Page<ListedJobView>>('GET', `/jobs?scope=${scope}`, undefined, options)).body.data.map(
        (one) => one.id,
      )
    expect(await ids('shared', ben)).toEqual([job.id])
    expect(await ids('own', ben)).toEqual([])
    expect(await ids('shared', { user: 'usr-c' })).toEqual([])
    expect(await ids('all', operator)).toContain(job.id)
    const refused = await world.call<Problem>('GET', '/jobs?scope=all', undefined, ben)
    expect([refused.status, pointersOf(refused.body)]).toEqual([403, ['?scope']])
  })

  const calls = [
    ['PATCH', '', { priority: 1 }],
    ['DELETE', '', undefined],
    ['POST', '/trigger', undefined],
    ['POST', '/pause', undefined],
    ['POST', '/resume', undefined],
    ['POST', '/cancel', undefined],
  ] as const

  it.each(calls)('%s /jobs/:id%s is refused to a viewer, and not there for others', async (method, part, payload) => {
    const answers = [ben, { user: 'usr-c' }].map((who) => world.call(method, `/jobs/${job.id}${part}`, payload, who))
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([403, 404])
    expect((await world.call<JobView>('GET', `/jobs/${job.id}`)).body).toMatchObject({ version: 1, state: 'active' })
  })

  it.each(['retry', 'cancel'])('POST /executions/:id/%s is refused to a viewer', async (call) => {
    const answers = [ben, { user: 'usr-c' }].map((who) =>
      world.call('POST', `/executions/${failed}/${call}`, undefined, who),
    )
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([403, 404])
  })

  it('shows an operator the metadata, without params and results, also where a list asks for them', async () => {
    const { body: shown } = await world.call<JobView>('GET', `/jobs/${job.id}`, undefined, operator)
    expect(shown).not.toHaveProperty('params')
    const { body: execution } = await world.call<ExecutionView>('GET', `/executions/${failed}`, undefined, operator)
    const { body: listed } = await world.call<Page<ExecutionView>>(
      'GET',
      `/jobs/${job.id}/executions?fields=params,result`,
      undefined,
      operator,
    )
    for (const one of [execution, ...listed.data]) {
      expect(one).not.toHaveProperty('params')
      expect(one).not.toHaveProperty('result')
      expect(Object.keys(one.links)).toEqual(['self', 'job', 'retry'])
    }
    const all = await world.call<Page<JobView>>('GET', '/jobs?scope=all&fields=params', undefined, operator)
    expect(all.body.data.some((one) => one.params)).toBe(false)
  })

  it('an operator pauses, resumes and runs again, and does not edit', async () => {
    const call = (method: 'POST' | 'PATCH', path: string, payload?: object) =>
      world.call(method, path, payload, operator)
    expect((await call('PATCH', `/jobs/${job.id}`, { priority: 1 })).status).toBe(403)
    expect((await call('POST', `/executions/${failed}/retry`, { params: { durationMs: 1 } })).status).toBe(403)
    expect((await call('POST', `/jobs/${job.id}/trigger`)).status).toBe(403)
    expect((await call('POST', `/jobs/${job.id}/pause`)).body).toMatchObject({ state: 'paused' })
    expect((await call('POST', `/jobs/${job.id}/resume`)).body).toMatchObject({ state: 'active' })
    const retried = await call('POST', `/executions/${failed}/retry`)
    expect([retried.status, retried.body.ownerId]).toEqual([202, 'usr-a'])
    expect(retried.body).not.toHaveProperty('params')
  })

  it('is out of the reach of a viewer whom a change leaves out', async () => {
    await world.call('PATCH', `/jobs/${job.id}`, { viewers: ['cat'] })
    expect((await world.call('GET', `/jobs/${job.id}`, undefined, ben)).status).toBe(404)
    expect((await world.call('GET', `/executions/${failed}`, undefined, ben)).status).toBe(404)
    expect((await world.call('GET', `/jobs/${job.id}`, undefined, { user: 'usr-c' })).status).toBe(200)
  })
})

describe('the reach of a job, for other services', () => {
  const world = useWorld()
  it('is what the caller may do with it, also when it is deleted', async () => {
    const { body: job } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', viewers: ['ben'] })
    const ask = async (userId: string, jobId = job.id) => {
      const authorization = `Bearer ${world.serviceTokens.sign('executor-service')}`
      const options = { method: 'POST', url: '/internal/jobs/reach', headers: { authorization } } as const
      return (await world.service.app.inject({ ...options, payload: { jobId, userId, roles: ['user'] } })).json()
    }
    const nothing = { sees: false, seesDetails: false, mayOperate: false, mayChange: false }
    expect(await ask('usr-a')).toEqual({ sees: true, seesDetails: true, mayOperate: true, mayChange: true })
    expect(await ask('usr-b')).toEqual({ ...nothing, sees: true, seesDetails: true })
    expect([await ask('usr-c'), await ask('usr-a', 'shared')]).toEqual([nothing, nothing])
    await world.call('DELETE', `/jobs/${job.id}`)
    expect(await ask('usr-b')).toEqual({ ...nothing, sees: true, seesDetails: true })
    expect((await world.call('POST', '/internal/jobs/reach', {})).status).toBe(401)
  })
})
