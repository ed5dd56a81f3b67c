import type { FireLogReply, WhyCode, WhyEvidence } from '@belfry/contracts'
import type { Execution } from '../execution.ts'
import type { Job } from '../job.ts'

/** A recorded request, as far as it explains a change. Times are epoch milliseconds. */
export interface RecordedRequest {
  readonly at: number
  readonly actorName: string | null
  readonly action: string
  readonly version: number | null
}

/** Another execution that held the overlap place. */
type Blocker = Pick<Execution, 'id' | 'status'> & { readonly startedAt: number | null }

/** What is known about one fire time of a job, or about one of its executions. Times are epoch milliseconds. */
export interface WhyFacts {
  readonly now: number
  /** The fire time that is asked about. */
  readonly at: number
  readonly job: Job
  readonly execution: Execution | null
  /** What the scheduler has logged about fire times without an execution at that time. */
  readonly range: FireLogReply['data'][number] | null
  /** Of the schedule that held then: whether it has this fire time, and the nearest ones. */
  readonly schedule: { readonly hasTime: boolean; readonly before: number | null; readonly after: number | null }
  /** Requests that were recorded about the job, of which some have made a version of it. */
  readonly requests: readonly RecordedRequest[]
  readonly blocker: Blocker | null
  /** What a due execution that has not started waits for; null where it does not wait. */
  readonly waitingFor: 'slot' | 'place' | 'job-type' | null
  /** Executions that ended before this moment may have been removed. */
  readonly keptSince: number
}

export interface WhyAnswer {
  readonly code: WhyCode
  readonly text: string
  readonly evidence: readonly WhyEvidence[]
}
