import { isRefusal, jobIdPattern, jobKey, type PutJobBody, type Refusal, refusal } from '@belfry/contracts'
import { isLive } from '../domain/job.ts'
import { isThereAlready, noVersionYet, type Precondition } from '../domain/precondition.ts'
import type { Caller } from '../domain/reach.ts'
import type { StoredJob } from '../store/ports.ts'
import { createChange, inTurn } from './change-job.ts'
import { confirmChanges, type FencedJob } from './confirm-changes.ts'
import { type CreateJobContext, insertJob } from './create-job.ts'
import { findJob } from './find-job.ts'
import { type UpdateContext, update } from './update-job.ts'

interface PutJobRequest {
  readonly caller: Caller
  /** The UUID that the id of a new job is made of. */
  readonly minted: string
  readonly key: string
  readonly body: PutJobBody
  readonly ifMatch: Precondition
  /** A job that is there stays as it is, and the call is refused. */
  readonly mustBeNew: boolean
}

/** The job is new, or changed (or as it was) with what may still run of its older versions. */
type PutJob = { readonly created: StoredJob } | { readonly changed: FencedJob }

/**
 * `PUT /jobs/:key`: creates, or replaces what there is. The same body again finds the job as it is and changes nothing. The key of
 * a cancelled or deleted job is free.
 */
export async function putJob(
  context: CreateJobContext & UpdateContext,
  { caller, minted, key, body, ifMatch, mustBeNew }: PutJobRequest,
): Promise<PutJob | Refusal> {
  const isId = jobIdPattern.test(key)
  const checked = jobKey.safeParse(key)
  if (!isId && !checked.success) return badKey(checked.error.issues[0]?.message ?? 'is not a key')
  const change = createChange(context, update(context, ifMatch, body))
  type Put = { readonly created: StoredJob } | { readonly toConfirm: StoredJob }
  const put = await inTurn<Put>(context, { caller, ref: key }, async (isLastTry) => {
    const found = await findJob(context, caller, key, 'change')
    if (isRefusal(found) && isId) return found
    if (!isRefusal(found) && (isId || isLive(found))) {
      if (mustBeNew) return isThereAlready
      const changed = await change(found, isLastTry)
      return changed === undefined || isRefusal(changed) ? changed : { toConfirm: changed }
    }
    if (ifMatch !== null) return noVersionYet
    const created = await insertJob(context, { ownerId: caller.userId, minted, body: { ...body, key } })
    // Another call has made a job with this key in between: the next try finds it.
    if (created === 'key-taken') return undefined
    return isRefusal(created) ? created : { created }
  })
  return 'toConfirm' in put ? { changed: await confirmChanges(context, put.toConfirm) } : put
}

function badKey(detail: string): Refusal {
  return refusal('malformed-request', 'the key cannot be taken', {
    errors: [{ pointer: ':id', code: 'bad-format', detail }],
  })
}
