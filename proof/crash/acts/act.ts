import type { TargetCall } from '../../target.ts'
import type { Script } from '../script.ts'

/** What an act works with. */
export interface World {
  /** Access tokens of an admin and of a user. */
  readonly admin: string
  readonly user: string
  /** The one-time token that makes the first admin. */
  readonly target: { readonly url: string; readonly calls: readonly TargetCall[] }
}

/** Something that users do, and what must be so afterwards. */
export type Act = (script: Script, world: World) => Promise<void>

export interface Execution {
  readonly id: string
  readonly status: string
  readonly attempts: readonly { readonly outcome: string | null }[]
  readonly artifacts: readonly { readonly name: string }[]
}
export interface Page<T> {
  readonly data: readonly T[]
}
export interface Job {
  readonly id: string
  readonly status: string
}

const openStatuses = ['SCHEDULED', 'RUNNING', 'RETRYING']

/** Throws unless it holds. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what)
}

export const httpJob = ({ target }: World, path: string, more: object = {}) => ({
  jobType: 'HTTP_CALL',
  params: { url: `${target.url}${path}`, method: 'POST' },
  ...more,
})

/** Makes a job as the user, and answers its id. */
export async function createJob(script: Script, { user }: World, body: object): Promise<string> {
  return (await script.call<Job>({ as: user, method: 'POST', path: '/jobs', body })).body.id
}

export const executionsOf = async (script: Script, { user }: World, jobId: string) =>
  (await script.read<Page<Execution>>(user, `/jobs/${jobId}/executions?limit=200`)).data

/** The execution once it has ended. */
export function endOf(script: Script, { user }: World, id: string): Promise<Execution> {
  return script.until(`${id} to end`, async () => {
    const found = await script.read<Execution>(user, `/executions/${id}`)
    return openStatuses.includes(found.status) ? undefined : found
  })
}

/** The only execution of a job, once it has ended. */
export function onlyEnd(script: Script, world: World, jobId: string): Promise<Execution> {
  return script.until(`the execution of ${jobId} to end`, async () => {
    const [one, ...others] = await executionsOf(script, world, jobId)
    must(others.length === 0, `${jobId} has ${others.length + 1} executions`)
    return one && !openStatuses.includes(one.status) ? one : undefined
  })
}

/** The executors have an execution of the job. */
export function isKnown(script: Script, world: World, jobId: string): Promise<Execution> {
  return script.until(`the executors to know ${jobId}`, async () => (await executionsOf(script, world, jobId))[0])
}

/** One key reached this address of the target, and no attempt of it twice. */
export function mustCallOnce({ target }: World, path: string): void {
  const calls = target.calls.filter((one) => one.path === path)
  must(calls.length > 0, `${path} was not called`)
  must(new Set(calls.map(({ key }) => key)).size === 1, `${path} was called with several keys`)
  must(new Set(calls.map(({ attempt }) => attempt)).size === calls.length, `an attempt at ${path} was made twice`)
}
