import { type FieldKind, fieldKinds, invalidField, lastOf } from './field-kind.ts'
import { type Invalid, isInvalid } from './issue.ts'
import { stableSlot } from './slots.ts'

/** What one item of a field steps through, both ends included. For weekdays `to` may be 7. */
export interface Range {
  from: number
  to: number
}

/** `*`, `?`, `5`, `1-5`, `H` or `H(0-29)`; `step` is the item's, null when it has none. */
export function readRange(kind: FieldKind, base: string, step: number | null, seed: string): Range | Invalid {
  const wholeEnd = lastOf(kind)
  if (base === '*') return { from: kind.min, to: wholeEnd }
  if (base === '?') return wholeOfDays(kind, step)
  if (base.startsWith('H')) return readHashed(kind, base, step, seed)
  const ends = readEnds(kind, base)
  if (isInvalid(ends)) return ends
  return step !== null && !base.includes('-') ? { from: ends.from, to: Math.max(ends.from, wholeEnd) } : ends
}

function wholeOfDays(kind: FieldKind, step: number | null): Range | Invalid {
  const ofDays = kind === fieldKinds.dayOfMonth || kind === fieldKinds.dayOfWeek
  if (!ofDays || step !== null) return invalidField(kind, 'bad-value', '"?" stands alone, and only in the day fields')
  return { from: kind.min, to: lastOf(kind) }
}

/** `H` is one slot of the field or of the range in brackets; with a step, the slot is where the steps begin. */
function readHashed(kind: FieldKind, base: string, step: number | null, seed: string): Range | Invalid {
  const inner = base === 'H' ? null : /^H\(([^()]*)\)$/.exec(base)
  if (base !== 'H' && !inner)
    return invalidField(kind, 'bad-value', `"${base}" is not H or H with a range such as H(0-29)`)
  const ends = inner ? readEnds(kind, inner[1] as string) : { from: kind.min, to: kind.slots }
  if (isInvalid(ends)) {
    const backwards = ends.issue.code === 'reversed-range'
    return backwards ? invalidField(kind, 'reversed-range', `"${base}" runs backwards`) : ends
  }
  const size = ends.to - ends.from + 1
  const from = ends.from + stableSlot(seed, kind.name, step === null ? size : Math.min(step, size))
  return { from, to: step === null ? from : ends.to }
}

/** `5` or `1-5`. A range does not wrap: most dialects refuse that, and a list is unambiguous. */
function readEnds(kind: FieldKind, text: string): Range | Invalid {
  const [fromText, toText, more] = text.split('-')
  if (more !== undefined) return invalidField(kind, 'bad-value', `"${text}" is not a range`)
  const first = readValue(kind, fromText as string)
  if (isInvalid(first) || toText === undefined) return isInvalid(first) ? first : { from: first, to: first }
  const end = readValue(kind, toText)
  if (isInvalid(end)) return end
  // Sunday begins a week as 0 and ends it as 7, whichever was written: SAT-SUN is 6-7, 7-2 is 0-2.
  const to = toText === 'SUN' && first > 0 ? 7 : end
  const from = first > lastOf(kind) && to < first ? 0 : first
  return from <= to ? { from, to } : reversed(kind, text, from, to)
}

function reversed(kind: FieldKind, text: string, from: number, to: number): Invalid {
  const span = (a: number, b: number) => (a === b ? `${a}` : `${a}-${b}`)
  const list = `${span(from, lastOf(kind))},${span(kind.min, to)}`
  return invalidField(kind, 'reversed-range', `"${text}" runs backwards: write "${list}"`)
}

/** The number after a slash, 1 to the size of the field. */
export function readStep(kind: FieldKind, item: string, text: string): number | Invalid {
  const size = lastOf(kind) - kind.min + 1
  const step = /^\d{1,4}$/.test(text) ? Number(text) : 0
  return step >= 1 && step <= size ? step : invalidField(kind, 'bad-step', `"${item}" needs a step of 1 to ${size}`)
}

/** A number or a name, as written: Sunday may be 0 or 7. */
export function readValue(kind: FieldKind, text: string): number | Invalid {
  const named = kind.names.indexOf(text)
  if (named >= 0) return kind.min + named
  const names = kind.names.length > 0 ? ` or ${kind.names[0]} to ${kind.names.at(-1)}` : ''
  const allowed = `${kind.min} to ${kind.max}${names}`
  if (!/^\d{1,4}$/.test(text)) return invalidField(kind, 'bad-value', `"${text}" is not understood: use ${allowed}`)
  const value = Number(text)
  const inside = value >= kind.min && value <= kind.max
  return inside ? value : invalidField(kind, 'out-of-range', `"${text}" is out of range: use ${allowed}`)
}
