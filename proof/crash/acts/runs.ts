import {
  type Act,
  createJob,
  endOf,
  executionsOf,
  httpJob,
  isKnown,
  type Job,
  must,
  mustCallOnce,
  onlyEnd,
} from './act.ts'

/** The part of the answer to a change that says which runs of older versions may still start. */
interface Changed {
  readonly inFlight: readonly { readonly executionId: string }[]
}

/** What the executors hold already: its params are replaced, it is superseded by another time, and it is cancelled. */
const lateChanges: Act = async (script, world) => {
  const { user } = world
  const [replaced, moved, cancelled] = ['replaced', 'moved', 'cancelled'].map((name) => `/late/${script.id}/${name}`)
  const soon = { delay: '2500ms' }
  const a = await createJob(script, world, httpJob(world, `/late/${script.id}/never`, soon))
  const b = await createJob(script, world, httpJob(world, moved ?? '', soon))
  const c = await createJob(script, world, httpJob(world, cancelled ?? '', soon))
  for (const id of [a, b, c]) await isKnown(script, world, id)
  const patch = (id: string, body: object) =>
    script.call<Changed>({ as: user, method: 'PATCH', path: `/jobs/${id}`, body })
  const params = { url: `${world.target.url}${replaced}` }
  const answers = [
    [a, await patch(a, { params })],
    [b, await patch(b, { delay: '500ms' })],
  ] as const
  await script.call({ as: user, method: 'POST', path: `/jobs/${c}/cancel` })
  for (const [id, { status: answer, body, answeredAt }] of answers) {
    const ended = await script.until(`${id} to run`, async () => {
      const all = await executionsOf(script, world, id)
      return all.some(({ status }) => status === 'SUCCESS') ? all : undefined
    })
    // A run that was called before the change may end superseded too, when its process dies. After a firm answer only those are called that it lists.
    if (answer !== 200) continue
    const closed = new Set(ended.filter(({ status }) => status === 'SUPERSEDED').map((one) => one.id))
    for (const { executionId } of body.inFlight) closed.delete(executionId)
    const stray = world.target.calls.filter(({ at, key }) => closed.has(key) && at > answeredAt)
    must(stray.length === 0, `a superseded run of ${id} was called`)
  }
  await script.until(
    `${c} to be closed`,
    async () => (await executionsOf(script, world, c)).every(({ status }) => status !== 'SCHEDULED') || undefined,
  )
}

const everySecond = '* * * * * *'

/** Runs that come into each other's way. */
const overlap: Act = async (script, world) => {
  const body = (policy: string) => ({
    jobType: 'DUMMY',
    params: { durationMs: 1300 },
    schedule: everySecond,
    maxRuns: 4,
    overlap: { policy },
  })
  const ids = [await createJob(script, world, body('queue')), await createJob(script, world, body('cancel-running'))]
  for (const id of ids) {
    await script.until(`the runs of ${id} to end`, async () => {
      const all = await executionsOf(script, world, id)
      must(all.length <= 4, `${id} has ${all.length} executions`)
      return (all.length === 4 && all.every(({ status }) => /^(SUCCESS|SKIPPED|CANCELLED)$/.test(status))) || undefined
    })
  }
}

/** A run that is at work is cancelled by name. */
const cancelRunning: Act = async (script, world) => {
  const jobId = await createJob(script, world, { jobType: 'DUMMY', params: { durationMs: 60_000 }, delay: '0s' })
  const { id } = await script.until(`${jobId} to run`, async () =>
    (await executionsOf(script, world, jobId)).find(({ status }) => status !== 'SCHEDULED'),
  )
  await script.call({ as: world.user, method: 'POST', path: `/executions/${id}/cancel`, ok: [200, 202, 409] })
  const { status } = await endOf(script, world, id)
  must(status === 'CANCELLED', `a run that was cancelled ended ${status}`)
}

/** A run whose time is over when it is asked for. */
const expired: Act = async (script, world) => {
  const runAt = new Date(Date.now() - 60_000).toISOString()
  const jobId = await createJob(script, world, { jobType: 'DUMMY', runAt, expiresAfter: '1s' })
  const { status } = await onlyEnd(script, world, jobId)
  must(status === 'EXPIRED', `a run whose time was over ended ${status}`)
}

/** Logs and an artifact are there once the execution has ended. */
const report: Act = async (script, world) => {
  const jobId = await createJob(script, world, {
    jobType: 'REPORT',
    params: { reportType: 'daily-sales' },
    delay: '0s',
  })
  const { id, status, artifacts } = await onlyEnd(script, world, jobId)
  must(status === 'SUCCESS' && artifacts.length === 1, `a report ended ${status} with ${artifacts.length} artifacts`)
  await script.read(world.user, `/executions/${id}/artifacts/${artifacts[0]?.name}`)
  const { data } = await script.read<{ data: unknown[] }>(world.user, `/executions/${id}/logs`)
  must(data.length > 0, 'a report has no logs')
}

/** A job that must not run again: once its start is recorded, a crash ends it as LOST. */
const atMostOnce: Act = async (script, world) => {
  const path = `/at-most-once/${script.id}`
  const jobId = await createJob(script, world, httpJob(world, path, { delay: '0s', onLostLease: 'fail' }))
  const { status } = await onlyEnd(script, world, jobId)
  must(status === 'SUCCESS' || status === 'LOST', `${path} ended ${status}`)
  must(world.target.calls.filter((one) => one.path === path).length <= 1, `${path} was called twice`)
}

/** A run that takes longer than it takes to kill its executor. */
const long: Act = async (script, world) => {
  const body = { jobType: 'DUMMY', params: { durationMs: 4000 }, delay: '0s' }
  const jobId = await createJob(script, world, body)
  const { status } = await onlyEnd(script, world, jobId)
  must(status === 'SUCCESS', `a long run ended ${status}`)
}

/** A list of jobs by their next run, some of which have run since. */
const upcoming: Act = async (script, world) => {
  const jobId = await createJob(script, world, { jobType: 'DUMMY', schedule: everySecond })
  await isKnown(script, world, jobId)
  const first = (await executionsOf(script, world, jobId)).at(-1)
  await script.until(
    'the first run to be over',
    async () => (await executionsOf(script, world, jobId)).some(({ status }) => status === 'SUCCESS') || undefined,
  )
  const { data } = await script.read<{ data: { id: string }[] }>(world.user, '/jobs?sort=nextRunAt&limit=50')
  must(first !== undefined && data.some(({ id }) => id === jobId), 'a job that runs is not in the list')
  await script.call({ as: world.user, method: 'POST', path: `/jobs/${jobId}/cancel` })
}

/** Fire times of a pause are in the fire log, each once. */
const paused: Act = async (script, world) => {
  const { user } = world
  const jobId = await createJob(script, world, { jobType: 'DUMMY', schedule: everySecond })
  await isKnown(script, world, jobId)
  await script.call({ as: user, method: 'POST', path: `/jobs/${jobId}/pause` })
  const until = Date.now() + 1200
  await script.until('a fire time to pass', async () => Date.now() > until || undefined)
  await script.call({ as: user, method: 'POST', path: `/jobs/${jobId}/resume` })
  type Range = { from: string; to: string }
  await script.until('the pause to be in the fire log', async () => {
    const { data } = await script.read<{ data: Range[] }>(user, `/jobs/${jobId}/fire-log`)
    const sorted = data.map(({ from, to }) => [Date.parse(from), Date.parse(to)] as const).sort(([a], [b]) => a - b)
    must(
      sorted.every(([from], n) => n === 0 || from > (sorted[n - 1]?.[1] ?? 0)),
      'ranges of the fire log overlap',
    )
    return data.length > 0 || undefined
  })
  await script.call({ as: user, method: 'POST', path: `/jobs/${jobId}/cancel` })
}

/** A request that died before its job was stored leaves its key to the next one. */
const abandoned: Act = async (script, world) => {
  const asked = { as: world.user, method: 'POST', path: '/jobs', body: { jobType: 'DUMMY', key: `key-${script.id}` } }
  await script.tryOnce(asked)
  const made = await script.call<Job>({ ...asked, ok: [200, 201, 409] })
  const found = await script.read<Job>(world.user, `/jobs/key-${script.id}`)
  must(made.status === 409 || found.id === made.body.id, 'the key names another job')
}

/** More runs at a time than an executor has slots. */
const many: Act = async (script, world) => {
  const body = Array.from({ length: 60 }, () => ({ jobType: 'DUMMY', params: { durationMs: 3000 }, delay: '0s' }))
  const asked = { as: world.user, method: 'POST', path: '/jobs/batch', body }
  const { results } = (await script.call<{ results: { job: Job }[] }>(asked)).body
  for (const { job } of results) {
    const { status } = await onlyEnd(script, world, job.id)
    must(status === 'SUCCESS', `one of many ended ${status}`)
  }
}

/** Params that are stored apart from their execution. */
const largeParams: Act = async (script, world) => {
  const path = `/large/${script.id}`
  const job = httpJob(world, path)
  const params = { ...job.params, body: 'x'.repeat(40_000) }
  const jobId = await createJob(script, world, { ...job, params, delay: '0s' })
  const { status } = await onlyEnd(script, world, jobId)
  must(status === 'SUCCESS', `${path} ended ${status}`)
  mustCallOnce(world, path)
}

export const runActs = {
  lateChanges,
  overlap,
  cancelRunning,
  expired,
  report,
  atMostOnce,
  long,
  upcoming,
  paused,
  abandoned,
  many,
  largeParams,
} as const satisfies Record<string, Act>
