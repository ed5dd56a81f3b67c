import { type Invalid, invalid } from './issue.ts'

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Shortest and longest distance of an interval, milliseconds: 1 s (docs/limits.md) and 366 days (docs/guide/http-conventions.md). */
const shortestEveryMs = 1000
const longestEveryMs = 366 * 86_400_000

/**
 * The milliseconds of `@every 90s` (also `@every 1h30m`; units ms s m h d). Null when the text is no `@every` at all. A
 * cron has no anchor, so saving such a job turns it into an interval anchored at the job's creation.
 */
export function parseEvery(cron: string): { everyMs: number } | Invalid | null {
  const text = /^\s{0,128}@every(?:[ \t]+(\S{0,128}))?\s{0,128}$/i.exec(cron)?.[1]
  if (!/^\s{0,128}@every\b/i.test(cron)) return null
  const parts = text?.match(/\d{1,12}(?:ms|s|m|h|d)/g) ?? []
  if (text === undefined || text === '' || parts.join('') !== text) {
    return invalid('cron', 'bad-duration', '"@every" needs a duration such as "90s" or "1h30m" (units ms, s, m, h, d)')
  }
  const everyMs = parts.reduce((sum, part) => sum + durationOf(part), 0)
  if (everyMs >= shortestEveryMs && everyMs <= longestEveryMs) return { everyMs }
  return invalid('cron', 'out-of-range', `"@every ${text}" must lie between 1s and 366d`)
}

function durationOf(part: string): number {
  const digits = /^\d+/.exec(part)?.[0] ?? ''
  return Number(digits) * (unitMs[part.slice(digits.length)] as number)
}
