import type { HttpApp } from '@belfry/http'
import { createLoop, type Part, type RetentionClock, type ServiceDeps } from '@belfry/service'
import type { AuditConfig } from './config.ts'
import { type AuditPage, type AuditQuery, listAudit } from './list.ts'
import type { AuditStore } from './port.ts'
import { recordRequests } from './record-requests.ts'
import { createAuditRecorder } from './recorder.ts'
import { removeOld } from './retention.ts'
import { createSealer } from './sealer.ts'
import { type Verified, verifyStep } from './verify.ts'

/** Reads the log of one service, within the bounds of the configuration. */
export interface AuditReader {
  list(query: AuditQuery): Promise<AuditPage>
  /** One step of the check of the chain, after the seal of this number (0: from the oldest on). */
  verify(after: number): Promise<Verified>
}

/** The audit log of a service. */
export interface AuditLog extends AuditReader {
  /** Records the requests of the app's changing routes. */
  record(app: HttpApp): void
  /** Seals what was recorded, as far as it is time for it; for tests and loops. */
  seal(): Promise<boolean>
  /** Removes what is old, a batch at a time, and answers whether there may be more; for tests and loops. */
  removeOld(): Promise<boolean>
  /** Stores outcomes and seals while it runs; removes what is old. */
  readonly part: Part
}

export interface AuditLogOptions {
  readonly deps: Pick<ServiceDeps, 'clock' | 'log' | 'metrics'>
  readonly store: AuditStore
  readonly config: AuditConfig
  readonly retentionClock: Pick<RetentionClock, 'turn'>
  /** Whether this instance of the service seals and removes in this turn. */
  readonly takesTurn: () => boolean
}

export function createAuditLog({ deps, store, config, retentionClock, takesTurn }: AuditLogOptions): AuditLog {
  const { clock, log } = deps
  const recorder = createAuditRecorder({
    ...deps,
    store,
    outcomeMs: config.auditOutcomeMs,
    outcomeLimit: config.auditOutcomeBacklog,
    openMs: config.auditOpenMs,
  })
  const bounds = { rows: config.auditSealRows, sealMs: config.auditSealMs, openMs: config.auditOpenMs }
  const sealer = createSealer({ store, clock, log, takesTurn, ...bounds })
  const loop = (name: string, everyMs: number, runOnce: () => unknown) =>
    createLoop({ name, everyMs, clock, log, runOnce })
  const seals = loop('seals of the audit log', config.auditSealPollMs, sealer.runOnce)
  const purge = async () => {
    const now = takesTurn() ? await retentionClock.turn() : null
    return now !== null && removeOld(store, now - config.retentionAudit, config.auditPurgeSeals)
  }
  const retention = loop('retention of the audit log', config.auditPurgeMs, purge)

  return {
    async list(query) {
      // A caller that this instance has answered finds the outcome of the request, not only its row.
      await recorder.flush()
      return listAudit(store, query, config.auditScanRows)
    },
    verify: (after) => verifyStep(store, after, { seals: config.auditVerifySeals, rows: config.auditVerifyRows }),
    record: (app) => recordRequests(app, recorder, clock),
    seal: sealer.runOnce,
    removeOld: purge,
    part: {
      name: 'audit log',
      start() {
        seals.start()
        retention.start()
      },
      async stop() {
        await Promise.all([seals.stop(), retention.stop()])
        await recorder.flush()
      },
    },
  }
}
