import { setImmediate as nextTurn } from 'node:timers/promises'
import { type CrashPoints, createCrashPoints, type Metrics } from '@belfry/service'
import { StorageError, type StorageErrorCode } from '../errors.ts'
import { createStepCheck, type StepCheck } from '../steps.ts'
import { asStorageError, isConflict } from './errors.ts'

/** Calls that may be under way; more are refused with `overloaded`. */
const callsLimit = 10_000
/**
 * How long a call may take, milliseconds. The driver's own time limits end a call sooner; a call whose server was killed or hung at the
 * wrong moment is never settled by the driver (seen), and all that waits for it would wait for ever.
 */
const callMs = 10_000
/** How often an operation that the database refused because of another one is repeated. */
const conflictTries = 8

/** Runs the calls of one database: crash points, metrics, and errors as `StorageError`. */
export interface Calls {
  read<R>(step: string, rows: number, work: () => Promise<R>): Promise<R>
  write<R>(step: string, rows: number, work: () => Promise<R>): Promise<R>
  /** Refuses further calls, and waits for those that are under way. */
  close(): Promise<void>
}

export interface CallsOptions {
  readonly metrics: Metrics
  /** How long a call may take, milliseconds. */
  readonly withinMs?: number
  /** Called at each failure after calls have failed for so long without one answer of the server. */
  readonly silence?: { readonly afterMs: number; readonly notice: () => void }
  readonly crashAt?: string | null | undefined
  /** The names that writes may have; null: any. */
  readonly steps?: readonly string[] | null
}

const conflictOf = (error: unknown) => isConflict(error instanceof Error && 'code' in error ? error.code : null)

/** Repeats what the database refused because of another operation at the same time. */
async function repeatConflicts<R>(work: () => Promise<R>): Promise<R> {
  for (let left = conflictTries; ; left -= 1) {
    try {
      return await work()
    } catch (error) {
      if (!conflictOf(error) || left <= 1) throw error
      await nextTurn()
    }
  }
}

/** Settles as the work does, or rejects once the time is over: a write that comes late may still be applied. */
function within<R>(ms: number, kind: 'read' | 'write', work: Promise<R>): Promise<R> {
  return new Promise((resolve, reject) => {
    const code = kind === 'read' ? 'unavailable' : 'outcome-unknown'
    const giveUp = () => reject(new StorageError(code, `the database has not answered within ${ms} ms`))
    const timer = setTimeout(giveUp, ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** What a call fails with that the server has not answered. */
const withoutAnswer: readonly StorageErrorCode[] = ['unavailable', 'outcome-unknown']

/** A call whose connection was closed under it, because a new one has taken its place. */
function cutOff(error: StorageError, kind: 'read' | 'write'): StorageError {
  const code = kind === 'read' ? 'unavailable' : 'outcome-unknown'
  return new StorageError(code, error.message, { cause: error })
}

export function createCalls({ metrics, crashAt, withinMs = callMs, silence, steps = null }: CallsOptions): Calls {
  const check: StepCheck = steps === null ? () => undefined : createStepCheck(steps)
  const crash: CrashPoints = createCrashPoints(crashAt ?? undefined)
  const rowsTotal = metrics.counter('belfry_store_rows_total', 'Rows that were written to or asked of the store')
  const seconds = metrics.histogram('belfry_store_call_seconds', 'Time until the database answered a call', ['step'])
  const errors = metrics.counter('belfry_store_errors_total', 'Calls of the store that failed', ['step', 'code'])
  let underWay = 0
  /** The first of the failures since the last answer, monotonic milliseconds. */
  let silentSince: number | null = null
  let isClosed = false
  const { promise: drained, resolve: onDrained } = Promise.withResolvers<void>()
  metrics.gauge('belfry_store_waiting_calls', 'Calls that wait for the database', [], (gauge) =>
    gauge.set({}, underWay),
  )

  function noteFailure({ code }: StorageError): void {
    const now = performance.now()
    silentSince = withoutAnswer.includes(code) ? (silentSince ?? now) : null
    if (silence && silentSince !== null && now - silentSince >= silence.afterMs) silence.notice()
  }

  async function run<R>(kind: 'read' | 'write', step: string, rows: number, work: () => Promise<R>): Promise<R> {
    if (isClosed) throw new StorageError('closed', 'the database is closed')
    if (underWay >= callsLimit) throw new StorageError('overloaded', `${callsLimit} calls wait for the database`)
    underWay += 1
    const begin = performance.now()
    try {
      if (kind === 'write') crash.at(step, 'before')
      const result = await within(withinMs, kind, repeatConflicts(work))
      silentSince = null
      if (kind === 'write') crash.at(step, 'after')
      rowsTotal.inc({}, rows)
      return result
    } catch (thrown) {
      const known = asStorageError(thrown, kind)
      const error = known.code === 'closed' && !isClosed ? cutOff(known, kind) : known
      errors.inc({ step, code: error.code })
      noteFailure(error)
      throw error
    } finally {
      underWay -= 1
      if (isClosed && underWay === 0) onDrained()
      seconds.observe({ step }, (performance.now() - begin) / 1000)
    }
  }

  return {
    read: (step, rows, work) => run('read', step, rows, work),
    async write(step, rows, work) {
      check(step)
      return run('write', step, rows, work)
    },
    close() {
      isClosed = true
      if (underWay === 0) onDrained()
      return drained
    },
  }
}
