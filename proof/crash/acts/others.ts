import type { Script } from '../script.ts'
import {
  type Act,
  createJob,
  type Execution,
  endOf,
  executionsOf,
  httpJob,
  must,
  mustCallOnce,
  onlyEnd,
  type Page,
  type World,
} from './act.ts'

/** A secret that was answered is used by a run; one that was deleted is gone. */
export const secrets: Act = async (script, world) => {
  const { user, target } = world
  const name = `S${script.id.toUpperCase()}`
  const path = `/secret/${script.id}`
  await script.call({ as: user, method: 'PUT', path: `/secrets/${name}`, body: { value: `value-${script.id}` } })
  await script.call({ as: user, method: 'PUT', path: `/secrets/${name}`, body: { value: `other-${script.id}` } })
  const params = { url: `${target.url}${path}/{{secret:${name}}}`, method: 'POST' }
  const jobId = await createJob(script, world, { jobType: 'HTTP_CALL', params, delay: '0s' })
  const { status } = await onlyEnd(script, world, jobId)
  must(status === 'SUCCESS', `a run with a secret ended ${status}`)
  mustCallOnce(world, `${path}/other-${script.id}`)
  await script.call({ as: user, method: 'DELETE', path: `/secrets/${name}`, ok: [200, 204, 404] })
  const { data } = await script.read<Page<{ name: string }>>(user, '/secrets')
  must(!data.some((one) => one.name === name), 'a deleted secret is still there')
}

interface Reported {
  /** The notification's, and that of its target. */
  readonly path: string
  readonly hook: string
  readonly failed: Execution
}

/** The failed run is one dead letter, and its message is delivered and recorded. */
async function mustBeReported(script: Script, world: World, { path, hook, failed }: Reported): Promise<void> {
  const letters = await script.read<Page<Execution>>(world.user, '/dead-letters?limit=200')
  must(letters.data.filter((one) => one.id === failed.id).length === 1, 'a dead letter is missing')
  await script.until('the message to be delivered', async () => {
    const { data } = await script.read<Page<{ status: string; type: string }>>(world.user, `${path}/deliveries`)
    return data.some(({ status, type }) => status === 'delivered' && type === 'job.failed') || undefined
  })
  const hasArrived = world.target.calls.some((one) => one.path === hook)
  must(hasArrived, 'a delivery that is recorded has not arrived')
}

/** A job that fails: its dead letter, a webhook that is delivered and recorded, a retry by hand, and the message about its success. */
export const notified: Act = async (script, world) => {
  const { user, target } = world
  const hook = `/hook/${script.id}`
  const body = {
    on: ['failed', 'recovered'],
    name: script.id,
    target: { type: 'webhook', url: `${target.url}${hook}` },
  }
  const { id } = (await script.call<{ id: string }>({ as: user, method: 'POST', path: '/notifications', body })).body
  const path = `/notifications/${id}`
  await script.call({ as: user, method: 'PATCH', path, body: { name: `${script.id} again` } })
  const job = httpJob(world, `/fail/${script.id}`, {
    delay: '0s',
    retry: { maxRetries: 1, backoff: 'fixed', delay: '100ms' },
  })
  const jobId = await createJob(script, world, job)
  const failed = await script.until('the job to fail', async () => {
    const first = (await executionsOf(script, world, jobId)).at(-1)
    return first?.status === 'FAILED' ? first : undefined
  })
  if (!script.wasTried()) await mustBeReported(script, world, { path, hook, failed })

  await script.call({
    as: user,
    method: 'PATCH',
    path: `/jobs/${jobId}`,
    body: { params: { url: `${target.url}/well` } },
  })
  const retried = await script.call<{ id: string }>({
    as: user,
    method: 'POST',
    path: `/executions/${failed.id}/retry`,
  })
  await endOf(script, world, retried.body.id)
  const left = await script.read<Page<Execution>>(user, '/dead-letters?limit=200')
  must(!left.data.some((one) => one.id === failed.id), 'a dead letter that was run again is still one')
  await script.call({ as: user, method: 'DELETE', path, ok: [200, 204, 404] })
}

/** While the system is drained nothing starts; afterwards it does. */
export const drain: Act = async (script, world) => {
  const path = `/drained/${script.id}`
  const until = new Date(Date.now() + 600_000).toISOString()
  await script.call({ as: world.admin, method: 'POST', path: '/system/drain', body: { until } })
  const jobId = await createJob(script, world, httpJob(world, path, { delay: '0s' }))
  const resume = { as: world.admin, method: 'POST', path: '/system/resume' }
  if (!script.wasTried()) {
    const { isDrained } = await script.read<{ isDrained: boolean }>(world.admin, '/system/drain')
    must(isDrained, 'a drain that was answered is over')
    must(!world.target.calls.some((one) => one.path === path), 'an execution has started while the system is drained')
  }
  await script.call(resume)
  const { status } = await onlyEnd(script, world, jobId)
  must(status === 'SUCCESS', `${path} ended ${status}`)
  mustCallOnce(world, path)
}

/** A request that is refused leaves its key free: the same key may bring another body. */
export const refused: Act = async (script, world) => {
  const headers = { 'idempotency-key': `refused-${script.id}` }
  const asked = { as: world.user, method: 'POST', path: '/jobs', headers }
  const runAt = '2001-01-01T00:00:00Z'
  await script.call({ ...asked, body: { jobType: 'NO_SUCH_TYPE', runAt }, ok: [400, 404, 422] })
  await script.call({ ...asked, body: { jobType: 'DUMMY' }, ok: [200, 201, 409, 422] })
}

/** Nothing that users do: what a service does by itself. */
export const idle: Act = async (script, world) => {
  await script.read(world.user, '/auth/me')
}
