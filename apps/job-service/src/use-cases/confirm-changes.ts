import type { FenceReply, InFlight } from '@belfry/contracts'
import type { Executors } from '../clients/executors.ts'
import { fencedChanges } from '../domain/job.ts'
import type { DueFence, StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'

export type ConfirmContext = Pick<JobContext, 'stores' | 'log'> & { readonly executors: Pick<Executors, 'fence'> }

/** A change of a job: `pending` until the executors have confirmed it (docs/protocol.md step 2). */
export interface FencedJob {
  readonly job: StoredJob
  readonly inFlight: readonly InFlight[]
  readonly effective: 'now' | 'pending'
}

/** Has the executors confirm the newest version of a job (the fence), once. A pending one is repeated by its loop. */
export async function confirmChanges(context: ConfirmContext, job: StoredJob): Promise<FencedJob> {
  const changes = fencedChanges(job)
  // A job that was never changed has closed nothing.
  if (changes.length === 0) return { job, inFlight: [], effective: 'now' }
  try {
    const { fencedVersion, inFlight } = await fence(context, { rowId: job.rowId, jobId: job.id, changes })
    if (fencedVersion >= job.version) return { job: { ...job, fencedVersion }, inFlight, effective: 'now' }
  } catch (err) {
    context.log.warn({ err, jobId: job.id }, 'the executors did not confirm a change; it is repeated')
  }
  return { job, inFlight: [], effective: 'pending' }
}

/** Rejects when the executors do not answer, or the store does not: whichever it was, the fence may be repeated. */
export async function fence(
  { stores, executors }: Pick<ConfirmContext, 'stores' | 'executors'>,
  { rowId, jobId, changes }: Pick<DueFence, 'rowId' | 'jobId' | 'changes'>,
): Promise<FenceReply> {
  const reply = await executors.fence(jobId, changes)
  await stores.jobs.markFenced(rowId, reply.fencedVersion)
  return reply
}
