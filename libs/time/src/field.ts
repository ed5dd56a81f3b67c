import { addBit, type Bits, noBits } from './bits.ts'
import { type Faulty, faulty, isFaulty } from './fault.ts'
import { stableSlot } from './slots.ts'

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

/** What a field asks for. The last five are for the day fields alone and mean what DayRule says. */
export interface Field {
  readonly values: Bits
  open: boolean
  fromEnd: number
  nearest: number
  lastWeekday: boolean
  last: number
  readonly nth: number[]
}

/** Reads one field: items between commas, in any mix. `seed` decides what `H` stands for. */
export function parseField(kind: FieldKind, text: string, seed: string): Field | Faulty {
  const field = {
    values: noBits(),
    open: false,
    fromEnd: 0,
    nearest: 0,
    lastWeekday: false,
    last: 0,
    nth: [0, 0, 0, 0, 0, 0],
  }
  for (const item of text.split(',')) {
    const fault = addDayItem(kind, field, item) ?? addItem(kind, field, item, seed)
    if (isFaulty(fault)) return fault
  }
  return field
}

/** Null when the item was not one of the forms that only the day fields have. */
function addDayItem(kind: FieldKind, field: Field, item: string): Faulty | 'added' | null {
  if (kind === fieldKinds.dayOfMonth) return addDayOfMonth(field, item)
  return kind === fieldKinds.dayOfWeek ? addDayOfWeek(field, item) : null
}

function addDayOfMonth(field: Field, item: string): Faulty | 'added' | null {
  const kind = fieldKinds.dayOfMonth
  if (item === 'L') field.fromEnd |= 1
  else if (item === 'LW' || item === 'WL') field.lastWeekday = true
  else if (/^L-\d{1,4}$/.test(item)) {
    const back = Number(item.slice(2))
    if (back > 30) return bad(kind, 'out-of-range', `"${item}" goes back too far: use L-0 to L-30`)
    field.fromEnd |= 1 << back
  } else if (/^\d{1,4}W$/.test(item)) {
    const day = readValue(kind, item.slice(0, -1))
    if (isFaulty(day)) return day
    field.nearest |= 1 << (day - 1)
  } else return null
  return 'added'
}

function addDayOfWeek(field: Field, item: string): Faulty | 'added' | null {
  const kind = fieldKinds.dayOfWeek
  const [name, which, more] = item.endsWith('L') ? [item.slice(0, -1), 'L'] : item.split('#')
  if (which === undefined || more !== undefined) return null
  if (name === '') return bad(kind, 'bad-value', '"L" needs a weekday here: "FRIL" is the last Friday of the month')
  const weekday = readValue(kind, name as string)
  if (isFaulty(weekday)) return weekday
  const bit = 1 << (weekday % 7)
  if (which === 'L') field.last |= bit
  else if (/^[1-5]$/.test(which)) field.nth[Number(which)] = (field.nth[Number(which)] as number) | bit
  else return bad(kind, 'out-of-range', `"${item}" must end in #1 to #5, the first to the fifth of the month`)
  return 'added'
}

/** `*`, `5`, `1-5`, `H`, `H(0-29)`, each also with a step: `5/10` means from 5 to the end. */
function addItem(kind: FieldKind, field: Field, item: string, seed: string): Faulty | undefined {
  const [base, stepText, more] = item.split('/')
  if (base === undefined || base === '') return bad(kind, 'bad-value', emptyItem(item))
  if (more !== undefined) return bad(kind, 'bad-step', `"${item}" has more than one step`)
  const step = stepText === undefined ? null : readStep(kind, item, stepText)
  if (isFaulty(step)) return step
  const range = readRange(kind, base, step, seed)
  if (isFaulty(range)) return range
  if ((base === '*' || base === '?') && step === null) field.open = true
  for (let value = range.from; value <= range.to; value += step ?? 1) {
    addBit(field.values, kind === fieldKinds.dayOfWeek ? value % 7 : value)
  }
  return undefined
}

function emptyItem(item: string): string {
  return item === ''
    ? 'there is an empty item in its list'
    : `"${item}" has a step but nothing to step through: write "*${item}"`
}

interface Range {
  from: number
  to: number
}

function readRange(kind: FieldKind, base: string, step: number | null, seed: string): Range | Faulty {
  const wholeEnd = kind === fieldKinds.dayOfWeek ? 6 : kind.max
  if (base === '*') return { from: kind.min, to: wholeEnd }
  if (base === '?') return wholeOfDays(kind, step)
  if (base.startsWith('H')) return readHashed(kind, base, step, seed)
  const ends = readEnds(kind, base)
  if (isFaulty(ends)) return ends
  return step !== null && !base.includes('-') ? { from: ends.from, to: Math.max(ends.from, wholeEnd) } : ends
}

function wholeOfDays(kind: FieldKind, step: number | null): Range | Faulty {
  const ofDays = kind === fieldKinds.dayOfMonth || kind === fieldKinds.dayOfWeek
  if (!ofDays || step !== null) return bad(kind, 'bad-value', '"?" stands alone, and only in the day fields')
  return { from: kind.min, to: kind === fieldKinds.dayOfWeek ? 6 : kind.max }
}

/** `H` is one slot of the field or of the range in brackets; with a step, the slot is where the steps begin. */
function readHashed(kind: FieldKind, base: string, step: number | null, seed: string): Range | Faulty {
  const inner = base === 'H' ? null : /^H\(([^()]*)\)$/.exec(base)
  if (base !== 'H' && !inner) return bad(kind, 'bad-value', `"${base}" is not H or H with a range such as H(0-29)`)
  const ends = inner ? readEnds(kind, inner[1] as string) : { from: kind.min, to: kind.slots }
  if (isFaulty(ends)) {
    const reversed = ends.fault.code === 'reversed-range'
    return reversed ? bad(kind, 'reversed-range', `"${base}" runs backwards`) : ends
  }
  const size = ends.to - ends.from + 1
  const from = ends.from + stableSlot(seed, kind.name, step === null ? size : Math.min(step, size))
  return { from, to: step === null ? from : ends.to }
}

/** `5` or `1-5`. A range does not wrap: most dialects refuse that, and a list says the same without doubt. */
function readEnds(kind: FieldKind, text: string): Range | Faulty {
  const [fromText, toText, more] = text.split('-')
  if (more !== undefined) return bad(kind, 'bad-value', `"${text}" is not a range`)
  const from = readValue(kind, fromText as string)
  if (isFaulty(from) || toText === undefined) return isFaulty(from) ? from : { from, to: from }
  const end = readValue(kind, toText)
  if (isFaulty(end)) return end
  // Sunday ends a week as well as it begins one: SAT-SUN is 6-7.
  const to = toText === 'SUN' && from > 0 ? 7 : end
  if (from <= to) return { from, to }
  const whole = kind === fieldKinds.dayOfWeek ? 6 : kind.max
  const list = `${span(from, whole)},${span(kind.min, to)}`
  return bad(kind, 'reversed-range', `"${text}" runs backwards: write "${list}"`)
}

function span(from: number, to: number): string {
  return from >= to ? `${to}` : `${from}-${to}`
}

function readStep(kind: FieldKind, item: string, text: string): number | Faulty {
  const size = (kind === fieldKinds.dayOfWeek ? 6 : kind.max) - kind.min + 1
  const step = /^\d{1,4}$/.test(text) ? Number(text) : 0
  return step >= 1 && step <= size ? step : bad(kind, 'bad-step', `"${item}" needs a step of 1 to ${size}`)
}

function readValue(kind: FieldKind, text: string): number | Faulty {
  const named = kind.names.indexOf(text)
  if (named >= 0) return kind.min + named
  const names = kind.names.length > 0 ? ` or ${kind.names[0]} to ${kind.names.at(-1)}` : ''
  const allowed = `${kind.min} to ${kind.max}${names}`
  if (!/^\d{1,4}$/.test(text)) return bad(kind, 'bad-value', `"${text}" is not understood: use ${allowed}`)
  const value = Number(text)
  const inside = value >= kind.min && value <= kind.max
  return inside ? value : bad(kind, 'out-of-range', `"${text}" is out of range: use ${allowed}`)
}

function bad(kind: FieldKind, code: string, detail: string): Faulty {
  return faulty('cron', code, `${kind.name}: ${detail}`)
}
