import { type Act, createJob, endOf, executionsOf, httpJob, type Job, must, mustCallOnce, onlyEnd } from './act.ts'

/** A one-shot runs once, and its request answers the same job again. */
const onceAfter =
  (delay: string): Act =>
  async (script, world) => {
    const path = `/once/${script.id}`
    const jobId = await createJob(script, world, httpJob(world, path, { delay }))
    const { status } = await onlyEnd(script, world, jobId)
    must(status === 'SUCCESS', `${path} ended ${status}`)
    mustCallOnce(world, path)
  }

/** A run that starts as it is stored. */
const once = onceAfter('0s')
/** A run that waits for its time, and is claimed. */
const delayed = onceAfter('1500ms')

/** A job of an owner who had none. */
const newOwner: Act = async (script, world) => {
  const credentials = { username: `owner-${script.id}`, password: 'correct horse battery' }
  await script.call({ as: null, method: 'POST', path: '/auth/signup', body: credentials, ok: [201, 409] })
  const login = await script.call<{ token: string }>({
    as: null,
    method: 'POST',
    path: '/auth/login',
    body: credentials,
  })
  await once(script, { ...world, user: login.body.token })
}

/** A key names one job at a time: the next one after a cancel, and the same request never makes a second. */
const keyed: Act = async (script, world) => {
  const key = `key-${script.id}`
  const path = `/keyed/${script.id}`
  const former = await createJob(script, world, { jobType: 'DUMMY', key })
  await script.call({ as: world.user, method: 'POST', path: `/jobs/${key}/cancel` })
  const jobId = await createJob(script, world, httpJob(world, path, { key, delay: '0s' }))
  must(jobId !== former, 'the key still names the cancelled job')
  const { status } = await onlyEnd(script, world, jobId)
  must(status === 'SUCCESS', `${path} ended ${status}`)
  mustCallOnce(world, path)
}

/** Manual triggers, one by one and in a batch: each runs once, with the id that was answered. */
const triggers: Act = async (script, world) => {
  const { user } = world
  const jobId = await createJob(script, world, httpJob(world, `/manual/${script.id}`))
  const params = (n: number) => ({ url: `${world.target.url}/trigger/${script.id}/${n}`, method: 'POST' })
  const call = { as: user, method: 'POST', path: `/jobs/${jobId}/trigger` }
  const ids = [(await script.call<Job>({ ...call, body: { params: params(0) } })).body.id]
  const batch = [1, 2].map((n) => ({ jobId, params: params(n) }))
  const sent = { as: user, method: 'POST', path: '/triggers/batch', body: batch }
  const { body } = await script.call<{ results: { execution: Job }[] }>(sent)
  ids.push(...body.results.map(({ execution }) => execution.id))
  for (const [n, id] of ids.entries()) {
    const { status } = await endOf(script, world, id)
    must(status === 'SUCCESS', `trigger ${n} ended ${status}`)
    mustCallOnce(world, `/trigger/${script.id}/${n}`)
  }
  must((await executionsOf(script, world, jobId)).length === ids.length, 'there are more executions than triggers')
}

/** Fire times of the past: each runs once, however often the call is repeated. */
const backfill: Act = async (script, world) => {
  const schedule = { cron: '0 0 1 * *', timezone: 'UTC' }
  const jobId = await createJob(script, world, {
    jobType: 'DUMMY',
    params: { durationMs: 1 },
    schedule,
    overlap: { policy: 'allow' },
  })
  const body = { from: '2026-01-15T00:00:00Z', to: '2026-04-15T00:00:00Z' }
  const asked = { as: world.user, method: 'POST', path: `/jobs/${jobId}/backfill`, body }
  type Backfill = { results: { executionId: string }[] }
  const made = await script.call<Backfill>(asked)
  const ids = made.body.results.map(({ executionId }) => executionId)
  const again = await script.call<Backfill>(asked)
  must(String(again.body.results.map(({ executionId }) => executionId)) === String(ids), 'a backfill has other ids')
  for (const id of ids) {
    const { status } = await endOf(script, world, id)
    must(status === 'SUCCESS', `${id} of a backfill ended ${status}`)
  }
  must((await executionsOf(script, world, jobId)).length === 3, 'a backfill has run a fire time twice')
}

/** A batch answers the same jobs again. */
const batch: Act = async (script, world) => {
  const paths = [0, 1, 2].map((n) => `/batch/${script.id}/${n}`)
  const body = paths.map((path) => httpJob(world, path, { delay: '0s' }))
  const asked = { as: world.user, method: 'POST', path: '/jobs/batch', body }
  const { results } = (await script.call<{ results: { job: Job }[] }>(asked)).body
  for (const [n, { job }] of results.entries()) {
    const { status } = await onlyEnd(script, world, job.id)
    must(status === 'SUCCESS', `${paths[n]} ended ${status}`)
    mustCallOnce(world, paths[n] ?? '')
  }
}

/** Changes of a job in their order, a pause by tag that ends by itself, a cancel and a delete. */
const changes: Act = async (script, world) => {
  const { user } = world
  const tag = `tag-${script.id}`
  const jobId = await createJob(script, world, { jobType: 'DUMMY', delay: '1h', tags: [tag] })
  const path = `/jobs/${jobId}`
  /** What the job shows, unless the next change was tried in an earlier run. */
  const mustShow = async (wanted: Readonly<Record<string, string>>) => {
    if (script.wasTried()) return
    await script.until(`${path} to show ${JSON.stringify(wanted)}`, async () => {
      const shown = await script.read<Record<string, unknown>>(user, path)
      return Object.entries(wanted).every(([name, value]) => shown[name] === value) || undefined
    })
  }
  await script.call({ as: user, method: 'PATCH', path, body: { name: script.id } })
  await mustShow({ name: script.id })
  const until = new Date(Date.now() + 700).toISOString()
  await script.call({ as: user, method: 'POST', path: '/jobs/pause', body: { tag, until }, ok: [200, 400, 422] })
  await mustShow({ status: 'SCHEDULED' })
  await script.call({ as: user, method: 'POST', path: `${path}/pause` })
  await mustShow({ status: 'PAUSED' })
  await script.call({ as: user, method: 'POST', path: `${path}/resume` })
  await script.call({ as: user, method: 'POST', path: `${path}/cancel` })
  await mustShow({ status: 'CANCELLED' })
  // 202: the executors have not confirmed it yet.
  await script.call({ as: user, method: 'DELETE', path, ok: [200, 202, 204, 404] })
}

export const jobActs = { once, delayed, newOwner, keyed, triggers, backfill, batch, changes } as const satisfies Record<
  string,
  Act
>
