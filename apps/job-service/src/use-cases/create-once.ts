import { isRefusal, putJobBody, type Refusal } from '@belfry/contracts'
import type { z } from 'zod'
import type { StoredJob } from '../store/ports.ts'
import { type CreateJobContext, createJob } from './create-job.ts'

/** A job that comes with the system; `key` names it. */
export interface CreateOnceRequest {
  readonly ownerId: string
  /** The UUID of the job's id, the same in every try. */
  readonly minted: string
  readonly key: string
  readonly body: z.input<typeof putJobBody>
}

/**
 * Makes a job that comes with the system, once on this data: not again after a restart, nor when its owner has ended it.
 * Null when it has been made before; a conflict when a job with its key is there, and then it counts as made.
 */
export async function createOnce(
  context: CreateJobContext,
  { ownerId, minted, key, body }: CreateOnceRequest,
): Promise<StoredJob | Refusal | null> {
  const { cursors } = context.stores
  const name = `made ${key}`
  if ((await cursors.read(name)) > 0) return null
  const made = await createJob(context, { ownerId, minted, body: { ...putJobBody.parse(body), key } })
  if (!isRefusal(made) || made.code === 'conflict') await cursors.write(name, context.clock.now())
  return made
}
