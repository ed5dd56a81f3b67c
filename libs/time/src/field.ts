import { addBit, type Bits, noBits } from './bits.ts'
import { type FieldKind, fieldKinds, invalidField } from './field-kind.ts'
import { type Invalid, isInvalid } from './issue.ts'
import { readRange, readStep, readValue } from './range.ts'

/** The values of a field. The last five are for the day fields alone, with the meaning that DayRule gives. */
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
export function parseField(kind: FieldKind, text: string, seed: string): Field | Invalid {
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
    const added = addDayItem(kind, field, item) ?? addItem(kind, field, item, seed)
    if (isInvalid(added)) return added
  }
  return field
}

/** Null when the item was not one of the forms that only the day fields have. */
function addDayItem(kind: FieldKind, field: Field, item: string): Invalid | 'added' | null {
  if (kind === fieldKinds.dayOfMonth) return addDayOfMonth(field, item)
  return kind === fieldKinds.dayOfWeek ? addDayOfWeek(field, item) : null
}

function addDayOfMonth(field: Field, item: string): Invalid | 'added' | null {
  const kind = fieldKinds.dayOfMonth
  if (item === 'L') field.fromEnd |= 1
  else if (item === 'LW') field.lastWeekday = true
  else if (/^L-\d{1,4}$/.test(item)) {
    const back = Number(item.slice(2))
    if (back > 30) return invalidField(kind, 'out-of-range', `"${item}" goes back too far: use L-0 to L-30`)
    field.fromEnd |= 1 << back
  } else if (/^\d{1,4}W$/.test(item)) {
    const day = readValue(kind, item.slice(0, -1))
    if (isInvalid(day)) return day
    field.nearest |= 1 << (day - 1)
  } else return null
  return 'added'
}

function addDayOfWeek(field: Field, item: string): Invalid | 'added' | null {
  const kind = fieldKinds.dayOfWeek
  const [name, which, more] = item.endsWith('L') ? [item.slice(0, -1), 'L'] : item.split('#')
  if (which === undefined || more !== undefined) return null
  if (name === '')
    return invalidField(kind, 'bad-value', '"L" needs a weekday here: "FRIL" is the last Friday of the month')
  const weekday = readValue(kind, name as string)
  if (isInvalid(weekday)) return weekday
  const bit = 1 << (weekday % 7)
  if (which === 'L') field.last |= bit
  else if (/^[1-5]$/.test(which)) field.nth[Number(which)] = (field.nth[Number(which)] as number) | bit
  else return invalidField(kind, 'out-of-range', `"${item}" must end in #1 to #5, the first to the fifth of the month`)
  return 'added'
}

/** `*`, `5`, `1-5`, `H`, `H(0-29)`, each also with a step: `5/10` means from 5 to the end. */
function addItem(kind: FieldKind, field: Field, item: string, seed: string): Invalid | undefined {
  const [base, stepText, more] = item.split('/')
  if (base === undefined || base === '') return invalidField(kind, 'bad-value', emptyItem(item))
  if (more !== undefined) return invalidField(kind, 'bad-step', `"${item}" has more than one step`)
  const step = stepText === undefined ? null : readStep(kind, item, stepText)
  if (isInvalid(step)) return step
  const range = readRange(kind, base, step, seed)
  if (isInvalid(range)) return range
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
