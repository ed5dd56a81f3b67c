import { isRefusal, type PutJobBody, type Refusal } from '@belfry/contracts'
import { checkAction, type Job, jobDifferences, updatedJob } from '../domain/job.ts'
import { checkVersion, type Precondition } from '../domain/precondition.ts'
import { type ChangeContext, type ChangeTarget, changeJob, type Decide } from './change-job.ts'
import type { FencedJob } from './confirm-changes.ts'
import type { JobContext } from './context.ts'
import { readChange } from './read-change.ts'
import { resolveViewers } from './resolve-viewers.ts'

export type UpdateContext = ChangeContext & Pick<JobContext, 'types' | 'users'>

/** `PATCH /jobs/:id`. `bodyFor` makes the whole body out of the job. */
export function patchJob(
  context: UpdateContext,
  target: ChangeTarget,
  bodyFor: (job: Job) => PutJobBody | Refusal,
): Promise<FencedJob | Refusal> {
  const decide: Decide = (job) => {
    const body = bodyFor(job)
    return isRefusal(body) ? (checkVersion(target.ifMatch, job) ?? body) : update(context, target.ifMatch, body)(job)
  }
  return changeJob(context, target, decide, { need: 'change' })
}

/** Gives the job the spec of a body, if it is at a version that the caller asked for. */
export function update(context: UpdateContext, ifMatch: Precondition, body: PutJobBody): Decide {
  return async (job) => {
    const refused = checkAction(job, 'update')
    if (refused) return checkVersion(ifMatch, job) ?? refused
    const read = await readChange(context, job, body)
    if (isRefusal(read)) return checkVersion(ifMatch, job) ?? read
    const viewers = await resolveViewers(context, body.viewers, job)
    if (isRefusal(viewers)) return checkVersion(ifMatch, job) ?? viewers
    const next = { ...read, viewers }
    return checkVersion(ifMatch, job, jobDifferences(next, job)) ?? updatedJob(job, next, context.clock.now())
  }
}
