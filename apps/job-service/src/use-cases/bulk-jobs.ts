import { type BulkJobsReply, isRefusal, type Refusal } from '@belfry/contracts'
import { endsInThePast, type Job, pausedJob, resumedInBulk } from '../domain/job.ts'
import type { Caller } from '../domain/reach.ts'
import type { JobSummary, ListedJob, ListPosition } from '../store/ports.ts'
import { type ChangeContext, changeJob } from './change-job.ts'
import type { FencedJob } from './confirm-changes.ts'
import { inParts } from './in-parts.ts'
import { type Rows, readPage } from './scan-list.ts'

type Result = BulkJobsReply['results'][number]

/** Which jobs of the caller a bulk call is for. */
interface BulkCall {
  readonly caller: Caller
  /** Null: all. */
  readonly tag: string | null
  readonly dryRun: boolean
  readonly after: ListPosition | null
}

/** What a page of a bulk call has done; `next`: where the next one begins. */
export interface BulkPage extends Pick<BulkJobsReply, 'dryRun' | 'counts' | 'results'> {
  readonly next: ListPosition | null
}

/** `POST /jobs/pause`: pauses active jobs, newest first. `until`: epoch milliseconds, null without an end. */
export async function pauseInBulk(
  context: ChangeContext,
  call: BulkCall,
  { until, reason }: { readonly until: number | null; readonly reason: string | null },
): Promise<BulkPage | Refusal> {
  if (until !== null && until <= context.clock.now()) return endsInThePast
  const pause = { by: 'bulk', reason } as const
  return changeInBulk(context, call, ['active', 'paused'], (job, now) => pausedJob(job, until, now, pause))
}

/** `POST /jobs/resume`: resumes paused jobs, newest first. */
export function resumeInBulk(context: ChangeContext, call: BulkCall, by: 'bulk' | 'any'): Promise<BulkPage> {
  return changeInBulk(context, call, ['paused'], (job, now) => resumedInBulk(job, by, now))
}

type Transition = (job: Job, now: number) => Job | Refusal

/**
 * Changes a page of jobs, each by a compare-and-set of its own: a call that is cut off has changed some of them, and the same call again
 * finds these as it would make them.
 */
async function changeInBulk(
  context: ChangeContext,
  { caller, tag, dryRun, after }: BulkCall,
  states: readonly Job['state'][],
  transition: Transition,
): Promise<BulkPage> {
  const { clock, config } = context
  const { rows, next } = await findJobs(context, { caller, tag, after }, states)
  const confirming = untilOneFails(context)
  const done = await inParts(rows, config.jobBulkAtWork, async ({ row }): Promise<Result | null> => {
    const planned = transition(row as Job, clock.now())
    if (planned === row) return null
    if (dryRun) return isRefusal(planned) ? refused(row, planned) : changed(row, null)
    const decide = (job: Job) => transition(job, clock.now())
    const answer = await changeJob(confirming, { caller, ref: row.id }, decide, { need: 'operate' })
    return isRefusal(answer) ? refused(row, answer) : changed(row, answer.effective)
  })
  const results = done.filter((one) => one !== null)
  const countOf = (fits: (one: Result) => boolean) => results.filter(fits).length
  const counts = {
    changed: countOf(({ outcome }) => outcome === 'changed'),
    unchanged: rows.length - results.length,
    refused: countOf(({ outcome }) => outcome === 'refused'),
    pending: countOf(({ effective }) => effective === 'pending'),
  }
  return { dryRun, counts, results, next }
}

/** A page of the caller's jobs that are in one of the states and have the tag. */
function findJobs(
  { stores: { jobs }, config }: ChangeContext,
  { caller, tag, after }: Pick<BulkCall, 'caller' | 'tag' | 'after'>,
  states: readonly Job['state'][],
): Promise<Rows<ListedJob>> {
  const withTags = tag !== null
  const fits = (job: JobSummary) => states.includes(job.statusInput.state) && (tag === null || job.tags.includes(tag))
  const page = { limit: config.jobBulkRows, after, fields: [] }
  return readPage<JobSummary, ListedJob>(config, page, {
    list: (query) => jobs.listSummaries({ ownerId: caller.userId }, { ...query, withTags }),
    fits,
    read: (rowIds) => jobs.readMany(rowIds, []),
    stillFits: null,
  })
}

/**
 * The executors are asked to confirm each change until they fail to confirm one: the rest is `pending` at once, and its loop repeats it. A
 * call of many jobs would else wait for each of them.
 */
function untilOneFails(context: ChangeContext): ChangeContext {
  const { executors } = context
  let failure: { readonly error: unknown } | null = null
  return {
    ...context,
    executors: {
      async fence(jobId, changes) {
        if (failure) throw failure.error
        try {
          return await executors.fence(jobId, changes)
        } catch (error) {
          failure = { error }
          throw error
        }
      },
    },
  }
}

const about = ({ id: jobId, key, spec: { name } }: ListedJob) => ({ jobId, key, name })

function changed(job: ListedJob, effective: FencedJob['effective'] | null): Result {
  return { ...about(job), outcome: 'changed', effective, code: null, detail: null }
}

function refused(job: ListedJob, { code, detail }: Refusal): Result {
  return { ...about(job), outcome: 'refused', effective: null, code, detail }
}
