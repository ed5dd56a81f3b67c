import { type Invalid, invalid } from './issue.ts'

/** What one of the six fields may hold. `names` are the words for min, min + 1 …; `slots` the last value `H` stands for. */
export interface FieldKind {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly names: readonly string[]
  readonly slots: number
}

const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

export const fieldKinds = {
  second: { name: 'second', min: 0, max: 59, names: [], slots: 59 },
  minute: { name: 'minute', min: 0, max: 59, names: [], slots: 59 },
  hour: { name: 'hour', min: 0, max: 23, names: [], slots: 23 },
  // `H` stays off the days that some months lack.
  dayOfMonth: { name: 'day-of-month', min: 1, max: 31, names: [], slots: 28 },
  month: { name: 'month', min: 1, max: 12, names: months, slots: 12 },
  dayOfWeek: { name: 'day-of-week', min: 0, max: 7, names: weekdays, slots: 6 },
} as const satisfies Record<string, FieldKind>

/** The last value of `*`: Sunday is 0 and 7, and counts once. */
export function lastOf(kind: FieldKind): number {
  return kind === fieldKinds.dayOfWeek ? 6 : kind.max
}

/** The issue of one field. `detail` names the bad part and what is allowed. */
export function invalidField(kind: FieldKind, code: string, detail: string): Invalid {
  return invalid('cron', code, `${kind.name}: ${detail}`)
}
