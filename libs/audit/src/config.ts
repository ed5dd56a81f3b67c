import { duration } from '@belfry/contracts'
import { z } from 'zod'

const count = (usual: number, least = 1) => z.coerce.number().int().min(least).default(usual)

/** The settings of the audit log, for every service that records requests. */
export const auditConfig = {
  /** How long the outcome of a recorded request waits for others before it is stored, milliseconds; the request itself is stored before its answer. */
  auditOutcomeMs: count(100),
  /** Outcomes of recorded requests that may wait to be stored; beyond it they are dropped and counted. */
  auditOutcomeBacklog: count(20_000),
  /** How long a recorded request without an outcome holds back the seals, milliseconds: longer than any request takes. */
  auditOpenMs: count(60_000),
  /** Rows of the audit log under one seal, at most. */
  auditSealRows: count(1_000),
  /** How old a row of the audit log may get before it is sealed with fewer others, milliseconds. */
  auditSealMs: count(60_000),
  /** How often rows are looked for that can be sealed, milliseconds. */
  auditSealPollMs: count(1_000),
  /** Seals of the audit log that one step of `GET /audit/verify` checks. */
  auditVerifySeals: count(200),
  /** Rows of the audit log that one step of `GET /audit/verify` checks. */
  auditVerifyRows: count(20_000),
  /** Rows of the audit log that one page of a filtered list looks at. */
  auditScanRows: count(5_000, 201),
  /** How long rows of the audit log are stored once they are sealed. */
  retentionAudit: duration({ min: 86_400_000 }).prefault('366d'),
  /** How often old rows of the audit log are removed, milliseconds. */
  auditPurgeMs: count(600_000),
  /** Seals of the audit log that are removed at a time, each with its rows. */
  auditPurgeSeals: count(20),
}
export type AuditConfig = z.output<z.ZodObject<typeof auditConfig>>
