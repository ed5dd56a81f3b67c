import { jobStatusView, type Refusal, refusal } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'

/** The id of the caller's job, by id or key; the refusal that a job of others, or none, gets. */
export type JobFinder = (ref: string, token: string) => Promise<string | Refusal>

const noSuchJob = refusal('not-found', 'there is no such job')
const statusShape = jobStatusView.pick({ jobId: true }).loose()

/**
 * Asks job-service with the caller's own token, because it alone knows whose jobs there are and which keys they have. The
 * short status carries the id. Rejects with a `ServiceCallError` when job-service does not answer within `deadlineMs`.
 */
export function createJobFinder(rest: RestClient, deadlineMs: number): JobFinder {
  return async (ref, token) => {
    const path = `/jobs/${encodeURIComponent(ref)}/status`
    const { status, body } = await rest.request({ service: 'job-service', method: 'GET', path, token, deadlineMs })
    if (status === 404) return noSuchJob
    if (status !== 200) return refusal('unavailable', `job-service answered ${status} when it was asked for the job`)
    return statusShape.parse(body).jobId
  }
}
