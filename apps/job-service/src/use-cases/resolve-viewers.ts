import { type Refusal, refusal } from '@belfry/contracts'
import type { Job, Viewer } from '../domain/job.ts'
import type { JobContext } from './context.ts'

const noAnswer = refusal('unavailable', 'auth-service does not say who the viewers are: send it again', {
  retryAfterS: 1,
})

const fold = (username: string) => username.toLowerCase()

/**
 * The users that a body names as viewers, each once, whatever the case of the names. Names that the job has already stay who they were;
 * only others are asked for. An unknown name is an issue of its own.
 */
export async function resolveViewers(
  { users, log }: Pick<JobContext, 'users' | 'log'>,
  names: readonly string[] = [],
  job?: Pick<Job, 'viewers'>,
): Promise<readonly Viewer[] | Refusal> {
  const known = new Map((job?.viewers ?? []).map((viewer) => [fold(viewer.username), viewer]))
  const wanted = [...new Set(names.map(fold))]
  const unknown = wanted.filter((name) => !known.has(name))
  try {
    for (const user of unknown.length > 0 ? await users.resolve(unknown) : []) known.set(fold(user.username), user)
  } catch (err) {
    log.warn({ err }, 'the users that a job is shared with could not be resolved')
    return noAnswer
  }
  const errors = names.flatMap((name, index) => {
    if (known.has(fold(name))) return []
    return [{ pointer: `/viewers/${index}`, code: 'unknown-user', detail: 'there is no user with this name' }]
  })
  if (errors.length > 0) return refusal('impossible', 'the job names viewers that do not exist', { errors })
  return wanted.map((name) => known.get(name) as Viewer)
}
