import { auditCollections } from '@belfry/audit/mongo'
import type { ExecutionStatus, JobState } from '@belfry/contracts'
import { cursorsCollection, defineCollection, type MongoRecord, poisonCollection } from '@belfry/storage/mongo'
import { notificationCollections } from './notification-collections.ts'
import { secretsCollection } from './secrets.ts'

/**
 * The collections of job-service, and which record comes first where two belong together (decision 028). What users may send
 * (params, results, specs) is stored as JSON text: names with `$` or `.` survive, and no query looks into it.
 */

/**
 * A job. A record with nothing but `voidedAt` says that no job of this id was stored and that none ever will be: another job
 * has taken the key over.
 */
export interface JobRecord extends MongoRecord {
  readonly ownerId: string
  readonly key: string | null
  readonly version: number
  readonly state: JobState
  readonly name: string
  readonly jobType: string
  /** Of a one-shot, else null. */
  readonly runAt: number | null
  readonly createdAt: number
  readonly changedAt: number
  /** Handed out before the version was written; grows with each version. */
  readonly changeNo: number
  /** The owner, while the job counts against the quota. */
  readonly liveOf?: string
  /** `changedAt`, while the newest version is not on the bus. */
  readonly unpublishedAt?: number
  readonly fencedVersion: number
  /** When the fence is due again, while the executors have not confirmed the newest version. */
  readonly fenceAt?: number
  readonly fenceTries: number
  /** When the pause of a paused job ends by itself. */
  readonly pauseUntil?: number
  /** `dueFromOf` of the job, as far as it was raised since; `never` where there is no run to come. Absent in records of before. */
  readonly dueFrom?: number
  /** The users who see the job beside its owner; absent without any. */
  readonly viewerIds?: readonly string[]
  readonly shard: number
  /** `JobBody` as JSON. */
  readonly body: string
  /** JSON. */
  readonly params: string
  /** Length of `body` and `params`, and of `params`, bytes. */
  readonly bytes: number
  readonly paramsBytes: number
  readonly voidedAt?: number
}

export const jobsCollection = defineCollection<JobRecord>({
  name: 'jobs',
  schema: {
    _id: String,
    ownerId: String,
    key: String,
    version: Number,
    state: String,
    name: String,
    jobType: String,
    runAt: Number,
    createdAt: Number,
    changedAt: Number,
    changeNo: Number,
    liveOf: String,
    unpublishedAt: Number,
    fencedVersion: Number,
    fenceAt: Number,
    fenceTries: Number,
    pauseUntil: Number,
    viewerIds: [String],
    dueFrom: Number,
    shard: Number,
    body: String,
    params: String,
    bytes: Number,
    paramsBytes: Number,
    voidedAt: Number,
  },
  indexes: [
    { fields: { ownerId: 1, createdAt: 1, _id: 1 } },
    { fields: { changeNo: 1 } },
    { fields: { liveOf: 1 }, only: { liveOf: { $exists: true } } },
    { fields: { unpublishedAt: 1, _id: 1 }, only: { unpublishedAt: { $exists: true } } },
    { fields: { fenceAt: 1, _id: 1 }, only: { fenceAt: { $exists: true } } },
    { fields: { pauseUntil: 1, _id: 1 }, only: { pauseUntil: { $exists: true } } },
    { fields: { viewerIds: 1, createdAt: 1, _id: 1 }, only: { viewerIds: { $exists: true } } },
    { fields: { createdAt: 1, _id: 1 } },
    { fields: { ownerId: 1, dueFrom: 1, _id: 1 } },
  ],
})

/** Which job has a key; `_id` is `ownerId:key`. Stored before the job, so that a key has one job. */
export interface KeyRecord extends MongoRecord {
  readonly jobId: string
  /** The job that had the key before: cancelled, or null. */
  readonly formerJobId: string | null
}

export const keysCollection = defineCollection<KeyRecord>({
  name: 'keys',
  schema: { _id: String, jobId: String, formerJobId: String },
})

/** The newest execution of a job that has ended for good. The order of the fields decides which of two is newer. */
export interface LastExecution {
  readonly fireAt: number
  readonly id: string
  readonly seq: number
  readonly status: ExecutionStatus
  readonly endedAt: number | null
}

/** A job's progress; `_id` is the job's. Stored after the executions that it names. */
export interface SummaryRecord extends MongoRecord {
  readonly last?: LastExecution
  /** The newest fire time that the scheduler has handed over. */
  readonly scheduledAt?: number
}

export const summariesCollection = defineCollection<SummaryRecord>({
  name: 'summaries',
  schema: { _id: String, last: Object, scheduledAt: Number },
})

/** A copy of an execution; at `seq` 0 a trigger that no job-status has answered. */
export interface ExecutionRecord extends MongoRecord {
  readonly jobId: string
  readonly ownerId: string
  readonly jobType: string
  readonly fireAt: number
  readonly seq: number
  readonly version: number
  readonly status: ExecutionStatus
  readonly endedAt: number | null
  readonly reason: string | null
  /** The owner, when the execution has failed and was not run again. */
  readonly failedOf?: string
  /** The first execution that ran this one again. */
  readonly retriedBy?: string
  /** What the job's status asks for (`stageOf`); absent when it ended. */
  readonly stage?: string
  /** When the command is due to be sent again, while no job-status has answered it. */
  readonly nextSendAt?: number
  readonly tries: number
  readonly shard: number
  /** `ExecutionDetail` as JSON; at `seq` 0 what the command has besides the fields of this record. */
  readonly body: string
  /** JSON; absent without a result. */
  readonly result?: string
  /** JSON; of a command that may be sent again, and of a trigger with params of its own. */
  readonly params?: string
  /** The params are the trigger's own, not the job's. */
  readonly hasOwnParams: boolean
  /** Length of `body`, `result` and `params`, of `result`, and of `params`, bytes. */
  readonly bytes: number
  readonly resultBytes: number
  readonly paramsBytes: number
}

export const executionsCollection = defineCollection<ExecutionRecord>({
  name: 'executions',
  schema: {
    _id: String,
    jobId: String,
    ownerId: String,
    jobType: String,
    fireAt: Number,
    seq: Number,
    version: Number,
    status: String,
    endedAt: Number,
    reason: String,
    failedOf: String,
    retriedBy: String,
    stage: String,
    nextSendAt: Number,
    tries: Number,
    shard: Number,
    body: String,
    result: String,
    params: String,
    hasOwnParams: Boolean,
    bytes: Number,
    resultBytes: Number,
    paramsBytes: Number,
  },
  indexes: [
    { fields: { ownerId: 1, fireAt: 1, _id: 1 } },
    { fields: { jobId: 1, fireAt: 1, _id: 1 } },
    { fields: { fireAt: 1, _id: 1 } },
    { fields: { failedOf: 1, fireAt: 1, _id: 1 }, only: { failedOf: { $exists: true } } },
    { fields: { stage: 1, fireAt: 1, _id: 1 }, only: { stage: { $exists: true } } },
    { fields: { nextSendAt: 1, _id: 1 }, only: { nextSendAt: { $exists: true } } },
  ],
})

/** A request with an Idempotency-Key; `answer` is a `StoredAnswer` as JSON, null while open. */
export interface RequestDocument extends MongoRecord {
  readonly bodyHash: string
  readonly mintedId: string
  readonly madeAt: number
  readonly triedBy: string
  readonly triedAt: number
  readonly answer: string | null
}

export const requestsCollection = defineCollection<RequestDocument>({
  name: 'requests',
  schema: {
    _id: String,
    bodyHash: String,
    mintedId: String,
    madeAt: Number,
    triedBy: String,
    triedAt: Number,
    answer: String,
  },
  indexes: [{ fields: { madeAt: 1 } }],
})

export const collections = [
  jobsCollection,
  keysCollection,
  summariesCollection,
  executionsCollection,
  requestsCollection,
  secretsCollection,
  ...notificationCollections,
  cursorsCollection,
  poisonCollection,
  ...auditCollections,
]
