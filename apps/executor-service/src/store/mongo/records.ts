import type { ExecutionState } from '@belfry/contracts'
import { cursorsCollection, defineCollection, poisonCollection } from '@belfry/storage/mongo'
import type { ReadyPool } from '../../executions/execution.ts'

/**
 * One execution. What is queried stands in fields; users' values stand in two texts, so that no key or value of theirs means
 * anything to the database. Times in epoch milliseconds.
 */
export interface ExecutionRecord {
  readonly _id: string
  readonly jobId: string
  readonly ownerId: string
  /** `shardOf` the id: by it several executors share what is due. */
  readonly shard: number
  readonly state: ExecutionState
  readonly pool: ReadyPool
  readonly priority: number
  readonly runAt: number
  readonly seq: number
  readonly epoch: number
  readonly owner: string | null
  readonly startedAt: number | null
  readonly cancelRequested: boolean
  readonly changedAt: number
  /** The number of its last write, which the store hands out. */
  readonly changeNo: number
  /** When its newest state was stored, as long as it is not published; null once it is. */
  readonly unpublishedAt: number | null
  /** Where it stands: among what is ready by time, what runs by executor, or what has ended by time (`keys.ts`). */
  readonly phase: string
  /** By its job, while it is ready or running: it does not change when one becomes the other. */
  readonly openOf: string | null
  /** By its job, while it runs. */
  readonly runningOf: string | null
  /** By its job and the time of its newest epoch in doubt. */
  readonly doubtOf: string | null
  /** By its job type, while it is ready in the pool `other`; absent from records that never were. */
  readonly otherOf?: string | null
  /** `startsUntil`, while it is ready; absent from records without an expiry. */
  readonly expiryAt?: number | null
  /** Text of `commandText`, and its length. */
  readonly command: string
  readonly commandSize: number
  /** Text of `outcomeText`, and its length. */
  readonly outcome: string | null
  readonly outcomeSize: number
  /** Of params that are stored apart: their id and size; null when they stand in the command. */
  readonly paramsId: string | null
  readonly paramsSize: number | null
}

/** Only what is open, runs, is in doubt or is unpublished is in these indexes: most records are in none of them. */
const someText = (field: string) => ({ fields: { [field]: 1 as const }, only: { [field]: { $gt: '' } } })

export const executionsCollection = defineCollection<ExecutionRecord>({
  name: 'executions',
  schema: {
    _id: String,
    jobId: String,
    ownerId: String,
    shard: Number,
    state: String,
    pool: String,
    priority: Number,
    runAt: Number,
    seq: Number,
    epoch: Number,
    owner: String,
    startedAt: Number,
    cancelRequested: Boolean,
    changedAt: Number,
    changeNo: Number,
    unpublishedAt: Number,
    phase: String,
    openOf: String,
    runningOf: String,
    doubtOf: String,
    otherOf: String,
    expiryAt: Number,
    command: String,
    commandSize: Number,
    outcome: String,
    outcomeSize: Number,
    paramsId: String,
    paramsSize: Number,
  },
  indexes: [
    { fields: { phase: 1 } },
    { fields: { changeNo: 1 } },
    { fields: { unpublishedAt: 1 }, only: { unpublishedAt: { $gt: 0 } } },
    someText('openOf'),
    someText('runningOf'),
    someText('doubtOf'),
    someText('otherOf'),
    { fields: { expiryAt: 1 }, only: { expiryAt: { $gt: 0 } } },
  ],
})

/** Large params of one version of an execution; `_id` begins with the execution's. */
export interface ParamsRecord {
  readonly _id: string
  readonly execution: string
  readonly at: number
  readonly params: string
}

export const paramsCollection = defineCollection<ParamsRecord>({
  name: 'params',
  schema: { _id: String, execution: String, at: Number, params: String },
})

/** A job's admission, by the job's id. */
export interface AdmissionRecord {
  readonly _id: string
  readonly rev: number
  readonly neededAt: number
  readonly unsettled: number
  /** The job's id, while it is unsettled. */
  readonly unsettledOf: string | null
  readonly body: string
}

export const admissionsCollection = defineCollection<AdmissionRecord>({
  name: 'admissions',
  schema: { _id: String, rev: Number, neededAt: Number, unsettled: Number, unsettledOf: String, body: String },
  indexes: [someText('unsettledOf')],
})

/** An executor, by its instance's name. */
export interface ExecutorRecord {
  readonly _id: string
  readonly beat: number
  readonly address: string | null
  readonly gone: boolean
}

export const executorsCollection = defineCollection<ExecutorRecord>({
  name: 'executors',
  schema: { _id: String, beat: Number, address: String, gone: Boolean },
})

/** Lines of an attempt that follow each other; `_id` is made of the execution, the attempt and the first line. */
export interface ChunkRecord {
  readonly _id: string
  readonly execution: string
  readonly epoch: number
  readonly lastSeq: number
  /** When its last line was written. */
  readonly at: number
  /** When it was stored first, and its id: the order of the retention. */
  readonly storedAs: string
  readonly lines: string
}

export const logsCollection = defineCollection<ChunkRecord>({
  name: 'logs',
  schema: {
    _id: String,
    execution: String,
    epoch: Number,
    lastSeq: Number,
    at: Number,
    storedAs: String,
    lines: String,
  },
  indexes: [{ fields: { storedAs: 1 } }],
})

/** A file of an attempt; `_id` is made of the execution, the attempt and the name. */
export interface FileRecord {
  readonly _id: string
  readonly execution: string
  readonly body: Buffer
}

export const artifactsCollection = defineCollection<FileRecord>({
  name: 'artifacts',
  schema: { _id: String, execution: String, body: Buffer },
})

/** Every collection of the executor's database. */
export const collections = [
  executionsCollection,
  paramsCollection,
  admissionsCollection,
  executorsCollection,
  logsCollection,
  artifactsCollection,
  cursorsCollection,
  poisonCollection,
]

/** Raised with each change of the collections that an older program cannot work with. */
export const schemaVersion = 1
