import { isRefusal, type Refusal, refusal } from '@belfry/contracts'
import type { Scheduler } from '../clients/scheduler.ts'
import { afterPause, changesLimit, type Job, jobDifferences, newestVersion, trimChanges } from '../domain/job.ts'
import type { Precondition } from '../domain/precondition.ts'
import type { Caller, Need } from '../domain/reach.ts'
import type { StoredJob } from '../store/ports.ts'
import { createConcurrencyLimiter } from './concurrency-limiter.ts'
import { type ConfirmContext, confirmChanges, type FencedJob } from './confirm-changes.ts'
import type { JobContext } from './context.ts'
import { findJob } from './find-job.ts'
import { onNewestVersion, orLost } from './retry.ts'

export type ChangeContext = ConfirmContext &
  Pick<JobContext, 'relay' | 'clock' | 'config' | 'turns'> & { readonly scheduler: Pick<Scheduler, 'versionOf'> }

/** Which job a change is for, and at which version. */
export interface ChangeTarget {
  readonly caller: Caller
  /** Id or key. */
  readonly ref: string
  readonly ifMatch: Precondition
}

/** What a change makes of a job: the job at its next version, the very same job, or a refusal (domain/job.ts). */
export type Decide = (job: StoredJob) => Job | Refusal | Promise<Job | Refusal>

/**
 * Changes a job: one compare-and-set on its version, then the fence (docs/protocol.md steps 1 and 2). A change that finds the job as it
 * would make it stores nothing, and asks the executors again what is in flight. `need`: what the caller must have the right to.
 */
export async function changeJob(
  context: ChangeContext,
  { caller, ref }: Pick<ChangeTarget, 'caller' | 'ref'>,
  decide: Decide,
  { need, find = findJob }: { readonly need: Need; readonly find?: typeof findJob | undefined },
): Promise<FencedJob | Refusal> {
  const change = createChange(context, decide)
  const changed = await inTurn(context, { caller, ref }, async (isLastTry) => {
    const found = await find(context, caller, ref, need)
    return isRefusal(found) ? found : change(found, isLastTry)
  })
  return isRefusal(changed) ? changed : confirmChanges(context, changed)
}

/** Changes of one job that may wait for another one in this process. */
const mostWaiting = 100

export const createTurns = () => createConcurrencyLimiter({ running: 1, waiting: mostWaiting })

const tooManyAtOnce = refusal('too-many-requests', 'too many changes of this job are asked for at once', {
  retryAfterS: 1,
})

/**
 * Tries a change of a job on its newest version. The changes that come to this process under one id or key take turns: each of them
 * would else be tried again for each other one. Another instance may still be faster.
 */
export async function inTurn<T extends object>(
  { turns }: Pick<JobContext, 'turns'>,
  { caller, ref }: Pick<ChangeTarget, 'caller' | 'ref'>,
  attempt: (isLastTry: boolean) => Promise<T | Refusal | undefined>,
): Promise<T | Refusal> {
  return (await turns.run(`${caller.userId} ${ref}`, () => onNewestVersion<T | Refusal>(attempt))) ?? tooManyAtOnce
}

/** One try at changing a job that was read; undefined when another change was first, or the answer of the write was lost. */
export type ChangeFound = (found: StoredJob, isLastTry: boolean) => Promise<StoredJob | Refusal | undefined>

/**
 * The tries of one change. After a lost answer the next try may find the job as this change has stored it: then it is made, and
 * what it asks of the version before (`If-Match`) is not asked again.
 */
export function createChange(context: ChangeContext, decide: Decide): ChangeFound {
  let lost: Job | null = null

  /** The job at its next version, as it is stored; else whether the answer was lost, or another change was first. */
  async function store(before: StoredJob, next: Job, isLastTry: boolean): Promise<StoredJob | 'lost' | 'too-late'> {
    const { stores, relay, clock, config } = context
    const fenceAt = clock.now() + config.jobResendMs
    const write = await orLost(stores.jobs.compareAndSet(before.rowId, before.version, next, fenceAt), isLastTry)
    if (write !== true) return write === 'lost' ? 'lost' : 'too-late'
    const job = { ...before, ...next, isPublished: false }
    relay.offer([{ rowId: job.rowId, ...newestVersion(job) }])
    return job
  }

  return async (found, isLastTry) => {
    if (lost && isSameVersion(found, lost)) return found
    const roomy = await withRoom(context, found)
    const unpaused = afterPause(roomy, context.clock.now())
    if (isRefusal(unpaused)) return unpaused
    // A pause that is over ends first: the change would else close the fire times since then as paused.
    const before = unpaused === roomy ? roomy : await store(roomy, unpaused, isLastTry)
    if (typeof before === 'string') return undefined
    const next = await decide(before)
    if (isRefusal(next)) return next
    if (next === before) return before
    const job = await store(before, next, isLastTry)
    lost = job === 'lost' ? next : null
    return typeof job === 'string' ? undefined : job
  }
}

/** Whether a job that was read is at the very version that a change has made. */
function isSameVersion(found: Job, made: Job): boolean {
  const isSame = found.version === made.version && found.changedAt === made.changedAt && found.state === made.state
  return isSame && found.pauseUntil === made.pauseUntil && jobDifferences(found, made).length === 0
}

/** A job whose list of changes is full loses those that the executors and the scheduler are past (docs/protocol.md step 1). */
async function withRoom({ scheduler, log }: ChangeContext, job: StoredJob): Promise<StoredJob> {
  if (job.changes.length < changesLimit) return job
  try {
    return { ...job, ...trimChanges(job, job.fencedVersion, await scheduler.versionOf(job.id)) }
  } catch (err) {
    log.warn({ err, jobId: job.id }, 'the scheduler did not say how far it has come with a job')
    return job
  }
}
