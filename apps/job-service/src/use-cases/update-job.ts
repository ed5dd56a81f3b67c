import { isRefusal, type JobSpec, type PutJobBody, type Refusal } from '@belfry/contracts'
import { checkAction, updatedJob } from '../domain/job.ts'
import { checkVersion, type Precondition } from '../domain/precondition.ts'
import { specDifferences } from '../domain/spec-differences.ts'
import { type ChangeContext, type ChangeTarget, changeJob, type Decide } from './change-job.ts'
import type { FencedJob } from './confirm-changes.ts'
import type { JobContext } from './context.ts'
import { readChange } from './read-change.ts'

export type UpdateContext = ChangeContext & Pick<JobContext, 'types'>

/** `PATCH /jobs/:id`. `bodyFor` makes the whole body out of the job's spec. */
export function patchJob(
  context: UpdateContext,
  target: ChangeTarget,
  bodyFor: (spec: JobSpec) => PutJobBody | Refusal,
): Promise<FencedJob | Refusal> {
  return changeJob(context, target, (job) => {
    const body = bodyFor(job.spec)
    return isRefusal(body) ? (checkVersion(target.ifMatch, job) ?? body) : update(context, target.ifMatch, body)(job)
  })
}

/** Gives the job the spec of a body, if it is at a version that the caller asked for. */
export function update(context: UpdateContext, ifMatch: Precondition, body: PutJobBody): Decide {
  return async (job) => {
    const refused = checkAction(job, 'update')
    if (refused) return checkVersion(ifMatch, job) ?? refused
    const read = await readChange(context, job, body)
    if (isRefusal(read)) return checkVersion(ifMatch, job) ?? read
    const mismatch = checkVersion(ifMatch, job, specDifferences(read.spec, job.spec))
    return mismatch ?? updatedJob(job, read, context.clock.now())
  }
}
