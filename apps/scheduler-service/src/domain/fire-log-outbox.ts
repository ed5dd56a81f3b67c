import type { FireRange, ScheduleRecord } from './schedule-record.ts'

/** The record after `ranges` were copied into the fire log. Ranges that came into the outbox meanwhile stay. */
export function withoutDelivered(record: ScheduleRecord, ranges: readonly FireRange[]): ScheduleRecord {
  if (ranges.length === 0) return record
  const isCopied = (range: FireRange) =>
    ranges.some(
      ({ from, to, count, decision, version }) =>
        from === range.from &&
        to === range.to &&
        count === range.count &&
        decision === range.decision &&
        version === range.version,
    )
  return { ...record, fireLogOutbox: record.fireLogOutbox.filter((range) => !isCopied(range)) }
}
