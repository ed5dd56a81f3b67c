import type { SimulatedStores } from './world.ts'

/** Stores in which one guard is missing: what the simulation must find. */
export interface Mutant {
  readonly name: string
  /**
   * Where the search begins, 1 when left out: some shows in one of several hundred worlds, and a change of the simulation needs another
   * seed here.
   */
  readonly firstSeed?: number
  readonly wrap: (stores: SimulatedStores) => SimulatedStores
}

type Executions = SimulatedStores['executions']['executions']

const withExecutions = (stores: SimulatedStores, verbs: Partial<Executions>): SimulatedStores => ({
  ...stores,
  executions: { ...stores.executions, executions: { ...stores.executions.executions, ...verbs } },
})
const withJobs = (stores: SimulatedStores, verbs: Partial<SimulatedStores['jobs']['jobs']>): SimulatedStores => ({
  ...stores,
  jobs: { ...stores.jobs, jobs: { ...stores.jobs.jobs, ...verbs } },
})

/** A change of these steps counts whatever was stored meanwhile. */
function blindSteps(...steps: readonly string[]): Mutant['wrap'] {
  return (stores) => {
    const { executions } = stores.executions
    return withExecutions(stores, {
      async compareAndSetMany(step, updates, at) {
        if (!steps.includes(step)) return executions.compareAndSetMany(step, updates, at)
        const stored = await executions.read(updates.map(({ rowId }) => rowId))
        const blind = updates.map((update, index) => ({ ...update, from: stored[index]?.execution ?? update.from }))
        return executions.compareAndSetMany(step, blind, at)
      },
    })
  }
}

const noChanges = async () => ({ rows: [], head: 0, hasMore: false })
const noRows = async () => ({ rows: [], next: null })

export const mutants: readonly Mutant[] = [
  { name: 'a finish counts with an old epoch', wrap: blindSteps('finish') },
  { name: 'an execution is given back although its owner has finished it', wrap: blindSteps('lose'), firstSeed: 530 },
  { name: 'a claim counts although another executor has claimed', wrap: blindSteps('claim') },
  {
    name: 'an overlap place is taken whatever others have taken',
    wrap(stores) {
      const { admissions } = stores.executions
      const compareAndSetMany: typeof admissions.compareAndSetMany = async (step, updates, at) => {
        const stored = await admissions.read(updates.map(({ to }) => to.jobId))
        const blind = updates.map((update, index) => ({ ...update, from: stored[index] ?? update.from }))
        return admissions.compareAndSetMany(step, blind, at)
      }
      return { ...stores, executions: { ...stores.executions, admissions: { ...admissions, compareAndSetMany } } }
    },
  },
  {
    name: 'a fence is answered before it is written',
    wrap(stores) {
      const { admissions } = stores.executions
      const compareAndSetMany: typeof admissions.compareAndSetMany = async (step, updates, at) => {
        if (step !== 'fence') return admissions.compareAndSetMany(step, updates, at)
        return updates.map(() => true)
      }
      return { ...stores, executions: { ...stores.executions, admissions: { ...admissions, compareAndSetMany } } }
    },
  },
  {
    name: 'a fence does not list what is claimed',
    wrap: (stores) =>
      withExecutions(stores, {
        listOpen: (jobId, state, after, limit) =>
          state === 'running' ? noRows() : stores.executions.executions.listOpen(jobId, state, after, limit),
      }),
  },
  {
    name: 'executions of an executor that died are not given back',
    wrap: (stores) => withExecutions(stores, { listRunningOf: async () => ({ rows: [], hasMore: false }) }),
  },
  {
    name: 'job-service does not compare its copies',
    wrap: (stores) => withExecutions(stores, { listChanges: noChanges }),
  },
  { name: 'a fence is not repeated', wrap: (stores) => withJobs(stores, { listDueFences: noRows }) },
  {
    name: 'a job is changed whatever version it has',
    wrap(stores) {
      const { jobs } = stores.jobs
      return withJobs(stores, {
        async compareAndSet(rowId, from, job, fenceAt) {
          const stored = await jobs.findById(job.id)
          return jobs.compareAndSet(rowId, stored?.version ?? from, job, fenceAt)
        },
      })
    },
  },
  {
    name: 'a request with a known Idempotency-Key is done again',
    wrap(stores) {
      const { requests } = stores.jobs
      const insert: typeof requests.insert = async (record, keptSince) => {
        await requests.insert(record, keptSince)
        return undefined
      }
      return { ...stores, jobs: { ...stores.jobs, requests: { ...requests, insert } } }
    },
  },
  {
    name: 'the command of a trigger is sent once',
    wrap: (stores) => ({
      ...stores,
      jobs: { ...stores.jobs, executions: { ...stores.jobs.executions, listDueCommands: noRows } },
    }),
  },
  {
    name: 'the scheduler does not compare its schedules',
    wrap: (stores) => withJobs(stores, { listChanges: noChanges }),
  },
  {
    name: 'a range of the fire log is not stored',
    wrap: (stores) => ({
      ...stores,
      schedules: { ...stores.schedules, fireLog: { ...stores.schedules.fireLog, upsertMany: async () => undefined } },
    }),
  },
  {
    name: 'a schedule is advanced whatever others have stored',
    wrap(stores) {
      const { schedules } = stores.schedules
      const compareAndSetMany: typeof schedules.compareAndSetMany = async (swaps) => {
        const stored = await schedules.readMany(
          swaps.map(({ record }) => record.jobId),
          Number.MAX_SAFE_INTEGER,
        )
        return schedules.compareAndSetMany(
          swaps.map((swap, index) => {
            const row = stored[index]
            return row && 'record' in row ? { ...swap, before: row } : swap
          }),
        )
      }
      return { ...stores, schedules: { ...stores.schedules, schedules: { ...schedules, compareAndSetMany } } }
    },
  },
]
