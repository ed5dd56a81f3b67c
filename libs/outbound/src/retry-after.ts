/** Longest wait that a server may ask for, milliseconds (docs/limits.md). */
const longestRetryAfterMs = 3_600_000

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const time = '(\\d\\d):(\\d\\d):(\\d\\d)'
/** `Sun, 06 Nov 1994 08:49:37 GMT`, and `Sunday, 06-Nov-94 08:49:37 GMT` (RFC 9110, section 5.6.7). */
const dated = new RegExp(`^[A-Z][a-z]{2,8}, (\\d\\d)[ -]([A-Z][a-z]{2})[ -](\\d{4}|\\d\\d) ${time} GMT$`)
/** `Sun Nov  6 08:49:37 1994`. */
const asctime = new RegExp(`^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \\d]\\d) ${time} (\\d{4})$`)

interface Parts {
  day: string | undefined
  month: string | undefined
  year: string | undefined
  clock: (string | undefined)[]
}

function partsOf(text: string): Parts | null {
  const modern = dated.exec(text)
  if (modern) return { day: modern[1], month: modern[2], year: modern[3], clock: modern.slice(4, 7) }
  const old = asctime.exec(text)
  return old && { day: old[2], month: old[1], year: old[6], clock: old.slice(3, 6) }
}

/** A year of two digits that seems more than 50 years ahead lies in the past (RFC 9110, section 5.6.7). */
function fullYear(year: string, now: number): number {
  const thisYear = new Date(now).getUTCFullYear()
  if (year.length === 4) return Number(year)
  const guess = thisYear - (thisYear % 100) + Number(year)
  return guess > thisYear + 50 ? guess - 100 : guess
}

/** Epoch milliseconds of an HTTP date in any of its three forms; null when the text is none. `now` decides the century. */
export function parseHttpDate(text: string, now: number): number | null {
  const parts = partsOf(text)
  const month = months.indexOf(parts?.month ?? '')
  if (!parts || month < 0) return null
  const [hour, minute, second] = parts.clock.map(Number) as [number, number, number]
  return Date.UTC(fullYear(parts.year ?? '', now), month, Number(parts.day), hour, minute, second)
}

/**
 * How long a `Retry-After` header asks to wait, milliseconds, at most an hour: seconds or an HTTP date. Null when it is
 * missing or says neither; then the caller's own policy decides. `now` in epoch milliseconds.
 */
export function readRetryAfter(header: string | undefined, now: number): number | null {
  const text = header?.trim()
  if (!text) return null
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, longestRetryAfterMs)
  const at = parseHttpDate(text, now)
  return at === null ? null : Math.min(Math.max(at - now, 0), longestRetryAfterMs)
}
