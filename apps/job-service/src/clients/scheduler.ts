import {
  type FireLogPosition,
  type FireLogReply,
  fireLogReply,
  scheduleVersionsReply,
  tolerant,
} from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'

/** The scheduler, over REST. Every call rejects on a time-out, and on an answer that is an error. */
export interface Scheduler {
  /** The version of a job up to which the scheduler has applied its changes; 0 when it does not know the job. */
  versionOf(jobId: string): Promise<number>
  /** Those of at most 200 jobs whose recurring schedule has no fire time left, with the version that this is true of. */
  ended(jobIds: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** Fire times of a job without an execution, as ranges: the next `limit` after a position, newest first. */
  fireLog(jobId: string, limit: number, after: FireLogPosition | null): Promise<FireLogReply['data']>
}

const replies = { versions: tolerant(scheduleVersionsReply), fireLog: tolerant(fireLogReply) }

/** Calls the internal routes of the scheduler, through the guarded balancer. */
export function createScheduler(rest: RestClient, { timeoutMs }: { timeoutMs: number }): Scheduler {
  const call = async (path: string, body: unknown): Promise<unknown> => {
    const request = { service: 'scheduler-service', method: 'POST', path, body, deadlineMs: timeoutMs } as const
    const answer = await rest.request(request)
    if (answer.status !== 200) throw new Error(`scheduler-service answered ${answer.status} to POST ${path}`)
    return answer.body
  }
  return {
    async versionOf(jobId) {
      const { data } = replies.versions.parse(await call('/internal/schedules/versions', { ids: [jobId] }))
      return data.find(({ id }) => id === jobId)?.version ?? 0
    },
    async ended(jobIds) {
      const { data } = replies.versions.parse(await call('/internal/schedules/ended', { ids: jobIds }))
      return new Map(data.map(({ id, version }) => [id, version]))
    },
    async fireLog(jobId, limit, after) {
      return replies.fireLog.parse(await call('/internal/fire-log/list', { jobId, limit, after })).data
    },
  }
}
