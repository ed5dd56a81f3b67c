import type { Refusal } from '@belfry/contracts'
import { cancelledJob, deletedJob, type Job, pausedJob, resumedJob } from '../domain/job.ts'
import { checkVersion } from '../domain/precondition.ts'
import type { Need } from '../domain/reach.ts'
import { type ChangeContext, type ChangeTarget, changeJob } from './change-job.ts'
import type { FencedJob } from './confirm-changes.ts'
import { findJobOrTombstone } from './find-job.ts'

type Answer = Promise<FencedJob | Refusal>
type Transition = (job: Job, now: number) => Job | Refusal

const operation =
  (transition: Transition, need: Need, find?: typeof findJobOrTombstone) =>
  (context: ChangeContext, target: ChangeTarget): Answer =>
    changeJob(context, target, (job) => checkVersion(target.ifMatch, job) ?? transition(job, context.clock.now()), {
      need,
      find,
    })

/** `POST /jobs/:id/resume`. */
export const resumeJob = operation(resumedJob, 'operate')
/** `POST /jobs/:id/cancel`. */
export const cancelJob = operation(cancelledJob, 'operate')
/** `DELETE /jobs/:id`: the same again finds what the first one has left. */
export const deleteJob = operation(deletedJob, 'change', findJobOrTombstone)

/** `POST /jobs/:id/pause`; `until`: epoch milliseconds, null for a pause without an end. */
export function pauseJob(
  context: ChangeContext,
  target: ChangeTarget,
  { until, reason }: { readonly until: number | null; readonly reason: string | null },
): Answer {
  return operation((job, now) => pausedJob(job, until, now, { by: 'single', reason }), 'operate')(context, target)
}
