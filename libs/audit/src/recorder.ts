import type { Clock, Logger, Metrics, Timer } from '@belfry/service'
import type { AuditStore } from './port.ts'
import type { AuditOutcome, NewAuditRow } from './row.ts'

/** A request whose row is on its way into the store. */
export interface RecordedRequest {
  /** Resolves when the row is stored, and also when it could not be. */
  readonly stored: Promise<unknown>
  /** The answer of the request is known. */
  end(outcome: Omit<AuditOutcome, 'n'>): void
}

/** Records requests: the row before the work begins, its outcome afterwards. */
export interface AuditRecorder {
  begin(row: NewAuditRow): RecordedRequest
  /** Stores the outcomes that wait. Requests that are recorded afterwards wait again. */
  flush(): Promise<void>
}

export interface AuditRecorderOptions {
  readonly store: AuditStore
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** How long an outcome waits for others, milliseconds. */
  readonly outcomeMs: number
  /** Outcomes that may wait; beyond it they are dropped, and counted. */
  readonly outcomeLimit: number
  /** The outcome of a request that took longer than this is not stored, milliseconds: its row may be sealed by then. */
  readonly openMs: number
}

/** Outcomes of one write. */
const batchLimit = 1_000

export function createAuditRecorder(options: AuditRecorderOptions): AuditRecorder {
  const { store, clock, log, outcomeMs, outcomeLimit, openMs } = options
  const lost = options.metrics.counter('belfry_audit_lost_total', 'Audit rows and outcomes that were not stored', [
    'part',
  ])
  let waiting: AuditOutcome[] = []
  let timer: Timer | null = null
  let writing: Promise<void> = Promise.resolve()

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchLimit)
      waiting = waiting.slice(batchLimit)
      try {
        await store.complete(batch)
      } catch (err) {
        lost.inc({ part: 'outcome' }, batch.length)
        log.warn({ err, outcomes: batch.length }, 'outcomes of audit rows were not stored')
      }
    }
  }

  function flush(): void {
    timer = null
    writing = writing.then(write)
  }

  function add(outcome: AuditOutcome): void {
    if (waiting.length >= outcomeLimit) {
      lost.inc({ part: 'outcome' })
      return
    }
    waiting.push(outcome)
    timer ??= clock.callAfter(outcomeMs, flush)
  }

  return {
    begin(row) {
      const begunAt = clock.monotonic()
      const stored = store.append(row).catch((err: unknown) => {
        lost.inc({ part: 'row' })
        log.error({ err, requestId: row.requestId, action: row.action }, 'an audit row was not stored')
        return null
      })
      return {
        stored,
        end(outcome) {
          const isLate = clock.monotonic() - begunAt >= openMs / 2
          if (isLate) lost.inc({ part: 'outcome' })
          else void stored.then((n) => n !== null && add({ ...outcome, n }))
        },
      }
    },
    async flush() {
      timer?.cancel()
      flush()
      await writing
    },
  }
}
