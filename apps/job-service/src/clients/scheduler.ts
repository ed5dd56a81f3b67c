import {
  type FireLogBody,
  type FireLogPosition,
  type FireLogReply,
  fireLogReply,
  type MissedPosition,
  type MissedReply,
  missedReply,
  type ScheduleRunsReply,
  scheduleRunsReply,
  scheduleVersionsReply,
  tolerant,
} from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'

/** The scheduler, over REST. Every call rejects on a time-out, and on an answer that is an error. */
export interface Scheduler {
  /**
   * The version of a job up to which the scheduler is done with its changes: they are applied, and no command of an older version
   * waits for the executors. 0 when it does not know the job.
   */
  versionOf(jobId: string): Promise<number>
  /** How far the schedules of at most 200 jobs have come, each with the version that this is true of. */
  runsOf(jobIds: readonly string[]): Promise<ScheduleRunsReply['data']>
  /** Fire times of a job without an execution, as ranges: the next `limit` after a position, newest first. */
  fireLog(jobId: string, limit: number, after: FireLogPosition | null): Promise<FireLogReply['data']>
  /** The ranges with a part at that moment, epoch milliseconds. */
  fireLogAt(jobId: string, at: number): Promise<FireLogReply['data']>
  /** The newest range of fire times that were missed; null when there is none. */
  lastMissed(jobId: string): Promise<FireLogReply['data'][number] | null>
  /** Missed fire times of all jobs, as ranges, in the order in which they were logged. */
  missed(after: MissedPosition, limit: number): Promise<MissedReply>
}

const replies = {
  versions: tolerant(scheduleVersionsReply),
  runs: tolerant(scheduleRunsReply),
  fireLog: tolerant(fireLogReply),
  missed: tolerant(missedReply),
}

/** Calls the internal routes of the scheduler, through the guarded balancer. */
export function createScheduler(rest: RestClient, { timeoutMs }: { timeoutMs: number }): Scheduler {
  const call = async (path: string, body: unknown): Promise<unknown> => {
    const request = { service: 'scheduler-service', method: 'POST', path, body, deadlineMs: timeoutMs } as const
    const answer = await rest.request(request)
    if (answer.status !== 200) throw new Error(`scheduler-service answered ${answer.status} to POST ${path}`)
    return answer.body
  }
  const listFireLog = async (body: FireLogBody) =>
    replies.fireLog.parse(await call('/internal/fire-log/list', body)).data
  return {
    async versionOf(jobId) {
      const { data } = replies.versions.parse(await call('/internal/schedules/versions', { ids: [jobId] }))
      return data.find(({ id }) => id === jobId)?.version ?? 0
    },
    async runsOf(jobIds) {
      return replies.runs.parse(await call('/internal/schedules/runs', { ids: jobIds })).data
    },
    fireLog: (jobId, limit, after) => listFireLog({ jobId, limit, after }),
    fireLogAt: (jobId, at) => listFireLog({ jobId, limit: 1, after: null, from: at, to: at }),
    async lastMissed(jobId) {
      const [newest] = await listFireLog({ jobId, limit: 1, after: null, decision: 'missed' })
      return newest ?? null
    },
    async missed(after, limit) {
      return replies.missed.parse(await call('/internal/fire-log/missed', { after, limit }))
    },
  }
}
