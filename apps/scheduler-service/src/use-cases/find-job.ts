import { jobStatusView, type Refusal, refusal } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'

/** The id of the caller's job, by id or key; a refusal for a job of another owner, and for one that does not exist. */
export type FindJob = (ref: string, token: string) => Promise<string | Refusal>

const noSuchJob = refusal('not-found', 'there is no such job')
const statusShape = jobStatusView.pick({ jobId: true }).loose()

/**
 * Asks job-service with the caller's own token, because only job-service stores owners and keys. The short status carries
 * the id. Rejects with a `ServiceCallError` when job-service does not answer within `deadlineMs`.
 */
export function createFindJob(rest: RestClient, deadlineMs: number): FindJob {
  return async (ref, token) => {
    const path = `/jobs/${encodeURIComponent(ref)}/status`
    const { status, body } = await rest.request({ service: 'job-service', method: 'GET', path, token, deadlineMs })
    if (status === 404) return noSuchJob
    if (status !== 200) return refusal('unavailable', `job-service answered ${status} when it was asked for the job`)
    return statusShape.parse(body).jobId
  }
}
