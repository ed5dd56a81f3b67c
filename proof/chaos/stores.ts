import type { AttemptRecord, ExecutionError, ExecutionState, ExecutionStatus, JobChange } from '@belfry/contracts'
import mongoose, { type Connection } from 'mongoose'

/** An execution as the executors have stored it. */
export interface StoredExecution {
  readonly id: string
  readonly jobId: string
  readonly version: number
  readonly cause: string
  readonly fireAt: number
  readonly state: ExecutionState
  readonly seq: number
  readonly epoch: number
  readonly owner: string | null
  readonly runAt: number
  readonly cancelRequested: boolean
  readonly attempts: readonly AttemptRecord[]
  readonly failures: number
  readonly losses: number
  readonly error: ExecutionError | null
  readonly result: unknown
}

/** job-service's copy of one. */
export interface StoredCopy {
  readonly id: string
  readonly jobId: string
  readonly seq: number
  readonly version: number
  readonly status: ExecutionStatus
  readonly epoch: number
  readonly attempts: readonly AttemptRecord[]
}

export interface StoredJob {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly version: number
  readonly runAt: number | null
  readonly changes: readonly JobChange[]
}

interface StoredSchedule {
  readonly id: string
  readonly version: number
  readonly pending: number
  readonly dueAt: number | null
}

export interface FireLogRange {
  readonly jobId: string
  readonly from: number
  readonly to: number
  readonly count: number
  readonly decision: string
  readonly reason: string
}

/** Everything that the services have stored. */
export interface StoreState {
  readonly executions: readonly StoredExecution[]
  readonly copies: readonly StoredCopy[]
  readonly jobs: readonly StoredJob[]
  readonly schedules: readonly StoredSchedule[]
  readonly fireLog: readonly FireLogRange[]
  /** Messages that were not understood, as text. */
  readonly poison: readonly string[]
}

/** What the proof sees of an execution while it changes. */
export interface Seen {
  readonly id: string
  readonly seq: number
  readonly state: ExecutionState
  readonly epoch: number
  readonly cancelRequested: boolean
}

/** Reads the databases of a fleet, beside its services. */
export interface StoreReader {
  readAll(): Promise<StoreState>
  /** What is not at rest yet, in words; empty when all is. */
  openWork(): Promise<string[]>
  /** The executions whose change number is above `after`, and the highest of all. */
  changedSince(after: number): Promise<{ readonly seen: Seen[]; readonly head: number }>
  /** The versions that the stores of job-service and scheduler-service have, by job. */
  versions(): Promise<{ readonly jobs: Map<string, number>; readonly schedules: Map<string, number> }>
}

type Row = Record<string, unknown>
// Sizes by which every answer of the server stays small.
const pageRows = 2_000

function executionOf(row: Row): StoredExecution {
  const command = JSON.parse(String(row.command)) as Row
  const outcome = (row.outcome ? JSON.parse(String(row.outcome)) : {}) as Row
  const ended = (outcome.attempts ?? []) as AttemptRecord[]
  const open: AttemptRecord = {
    epoch: Number(row.epoch),
    executor: String(row.owner ?? ''),
    startedAt: row.startedAt as number | null,
    endedAt: null,
    outcome: null,
    error: null,
  }
  return {
    id: String(row._id),
    jobId: String(row.jobId),
    version: Number(command.version),
    cause: String(command.cause),
    fireAt: Number(command.fireAt),
    state: row.state as ExecutionState,
    seq: Number(row.seq),
    epoch: Number(row.epoch),
    owner: row.owner as string | null,
    runAt: Number(row.runAt),
    cancelRequested: Boolean(row.cancelRequested),
    attempts: row.state === 'running' ? [...ended, open] : ended,
    failures: Number(outcome.failures ?? 0),
    losses: Number(outcome.losses ?? 0),
    error: (outcome.error ?? null) as ExecutionError | null,
    result: outcome.result ?? null,
  }
}

function copyOf(row: Row): StoredCopy {
  const body = JSON.parse(String(row.body)) as Row
  return {
    id: String(row._id),
    jobId: String(row.jobId),
    seq: Number(row.seq),
    version: Number(row.version),
    status: row.status as ExecutionStatus,
    epoch: Number(body.epoch ?? 0),
    attempts: (body.attempts ?? []) as AttemptRecord[],
  }
}

function jobOf(row: Row): StoredJob {
  const { changes } = JSON.parse(String(row.body)) as { changes: JobChange[] }
  return {
    id: String(row._id),
    name: String(row.name),
    state: String(row.state),
    version: Number(row.version),
    runAt: row.runAt as number | null,
    changes,
  }
}

/** `name`: the prefix of the fleet's databases. */
export function createStoreReader(mongo: string, name: string): StoreReader {
  return {
    readAll: () => onConnection(mongo, (connection) => readsOf(connection, name).readAll()),
    openWork: () => onConnection(mongo, (connection) => readsOf(connection, name).openWork()),
    changedSince: (after) => onConnection(mongo, (connection) => readsOf(connection, name).changedSince(after)),
    versions: () => onConnection(mongo, (connection) => readsOf(connection, name).versions()),
  }
}

const readMs = 60_000

/**
 * Reads on a connection of its own, for a bounded time: the driver may wait for ever on one whose server was killed under it. What is
 * left of such a connection is closed without waiting.
 */
async function onConnection<T>(mongo: string, read: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = mongoose.createConnection(mongo, { serverSelectionTimeoutMS: 5_000, socketTimeoutMS: 30_000 })
  connection.on('error', () => undefined)
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`the stores have not answered within ${readMs} ms`)), readMs)
  try {
    return await Promise.race([connection.asPromise().then(read), late.promise])
  } finally {
    clearTimeout(timer)
    connection.close(true).catch(() => undefined)
  }
}

function readsOf(connection: Connection, name: string): StoreReader {
  const collection = (service: string, of: string) => connection.useDb(`${name}-${service}`).collection(of)

  async function readRows(service: string, of: string): Promise<Row[]> {
    const rows: Row[] = []
    for (;;) {
      const last = rows.at(-1)?._id
      const filter = last === undefined ? {} : { _id: { $gt: last as never } }
      const page = await collection(service, of).find(filter).sort({ _id: 1 }).limit(pageRows).toArray()
      rows.push(...page)
      if (page.length < pageRows) return rows
    }
  }

  const seqs = async (service: string) => {
    const rows = await collection(service, 'executions')
      .find({}, { projection: { seq: 1 } })
      .toArray()
    return new Map(rows.map(({ _id, seq }) => [String(_id), Number(seq)]))
  }

  const poisonOf = async (service: string) =>
    (await readRows(service, 'poison')).map(({ reason, topic, partition, offset, raw }) => {
      return `${service}: ${reason} (${topic} ${partition} ${offset}: ${String(raw).slice(0, 300)})`
    })

  const versionsOf = async (service: string, of: string) => {
    const rows = await collection(service, of)
      .find({}, { projection: { version: 1 } })
      .toArray()
    return new Map(rows.map(({ _id, version }) => [String(_id), Number(version)]))
  }

  return {
    async readAll() {
      const poison = await Promise.all(['executor', 'job', 'scheduler'].map(poisonOf))
      const schedules = await readRows('scheduler', 'schedules')
      // A range without fire times was taken back.
      const fireLog = (await readRows('scheduler', 'fireLog')).filter(({ count }) => Number(count) > 0)
      return {
        executions: (await readRows('executor', 'executions')).map(executionOf),
        copies: (await readRows('job', 'executions')).map(copyOf),
        jobs: (await readRows('job', 'jobs')).filter(({ voidedAt }) => voidedAt == null).map(jobOf),
        schedules: schedules.map((row) => ({
          id: String(row._id),
          version: Number(row.version),
          pending: Number(row.pending),
          dueAt: row.dueAt as number | null,
        })),
        fireLog: fireLog.map((row) => ({
          jobId: String(row.jobId),
          from: Number(row.from),
          to: Number(row.to),
          count: Number(row.count),
          decision: String(row.decision),
          reason: String(row.reason),
        })),
        poison: poison.flat(),
      }
    },
    async openWork() {
      const open = [
        ['executor', 'executions', { openOf: { $gt: '' } }, 'executions that have not ended'],
        ['executor', 'executions', { unpublishedAt: { $gt: 0 } }, 'executions that are not published'],
        ['job', 'jobs', { unpublishedAt: { $exists: true } }, 'jobs that are not published'],
        ['job', 'jobs', { fenceAt: { $exists: true } }, 'changes that the executors have not confirmed'],
        ['job', 'executions', { nextSendAt: { $exists: true } }, 'triggers that are not answered'],
        ['scheduler', 'schedules', { pending: { $gt: 0 } }, 'schedules with pending commands'],
        ['scheduler', 'schedules', { dueAt: { $gte: 0 } }, 'schedules that are due some time'],
      ] as const
      const counts: string[] = []
      for (const [service, of, filter, what] of open) {
        const count = await collection(service, of).countDocuments(filter)
        if (count > 0) counts.push(`${count} ${what}`)
      }
      if (counts.length > 0) return counts
      const [ours, theirs] = [await seqs('job'), await seqs('executor')]
      const different = [...theirs].filter(([id, seq]) => ours.get(id) !== seq).length
      return different > 0 ? [`${different} copies that differ from the executors'`] : []
    },
    async changedSince(after) {
      const projection = { seq: 1, state: 1, epoch: 1, cancelRequested: 1, changeNo: 1 }
      const rows = await collection('executor', 'executions')
        .find({ changeNo: { $gt: after } }, { projection })
        .sort({ changeNo: 1 })
        .limit(pageRows)
        .toArray()
      const seen = rows.map(({ _id, seq, state, epoch, cancelRequested }) => {
        return {
          id: String(_id),
          seq: Number(seq),
          state,
          epoch: Number(epoch),
          cancelRequested: Boolean(cancelRequested),
        }
      })
      return { seen, head: Number(rows.at(-1)?.changeNo ?? after) }
    },
    async versions() {
      return { jobs: await versionsOf('job', 'jobs'), schedules: await versionsOf('scheduler', 'schedules') }
    },
  }
}
