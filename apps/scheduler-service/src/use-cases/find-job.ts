import { jobIdPattern, jobStatusView, type Refusal, refusal } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'
import type { ScheduleStore } from '../store/ports.ts'

/** Who asks for a job. `token`: the caller's own. */
interface JobCaller {
  readonly userId: string
  readonly token: string
}

/** The id of the caller's job, by id or key; a refusal for a job of another owner, and for one that does not exist. */
export type FindJob = (ref: string, caller: JobCaller) => Promise<string | Refusal>

const noSuchJob = refusal('not-found', 'there is no such job')
const statusShape = jobStatusView.pick({ jobId: true }).loose()

/**
 * Asks job-service with the caller's own token, because only job-service stores owners and keys. The short status carries
 * the id. A deleted job is not found there: its id names it as long as the record of its schedule is here. Rejects with a
 * `ServiceCallError` when job-service does not answer within `deadlineMs`.
 */
export function createFindJob(
  rest: RestClient,
  schedules: Pick<ScheduleStore, 'readMany'>,
  deadlineMs: number,
): FindJob {
  async function isOwnDeleted(ref: string, userId: string): Promise<boolean> {
    if (!jobIdPattern.test(ref)) return false
    const [row] = await schedules.readMany([ref], Number.MAX_SAFE_INTEGER)
    return row !== undefined && 'record' in row && row.record.ownerId === userId && row.record.state === 'deleted'
  }

  return async (ref, { userId, token }) => {
    const path = `/jobs/${encodeURIComponent(ref)}/status`
    const { status, body } = await rest.request({ service: 'job-service', method: 'GET', path, token, deadlineMs })
    if (status === 404) return (await isOwnDeleted(ref, userId)) ? ref : noSuchJob
    if (status !== 200) return refusal('unavailable', `job-service answered ${status} when it was asked for the job`)
    return statusShape.parse(body).jobId
  }
}
