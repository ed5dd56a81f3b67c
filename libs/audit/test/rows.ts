import type { AuditRow, NewAuditRow } from '../src/index.ts'

/** 2026-11-02T09:15:00Z. */
export const monday = Date.UTC(2026, 10, 2, 9, 15)

export function newRow(more: Partial<NewAuditRow> = {}): NewAuditRow {
  return {
    at: monday,
    actorId: 'usr-a',
    actorName: 'ada',
    via: 'token',
    action: 'pauseJob',
    target: 'job-1',
    requestId: 'req-1',
    address: '10.0.0.1',
    ...more,
  }
}

export function rowOf(n: number, more: Partial<AuditRow> = {}): AuditRow {
  return { ...newRow(), n, at: monday + n, also: [], version: 2, status: 200, ...more }
}
