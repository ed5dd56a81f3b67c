import { isUnreachable } from '@belfry/storage'
import { type Collection, type Filter, where } from '@belfry/storage/mongo'
import type { Pool } from '../../executions/execution.ts'
import { positionStep, priorities, readReadyKey, readyBound } from './keys.ts'
import type { ExecutionRecord } from './records.ts'

/** An entry of the index of what is ready, with what decides whose it is. */
export type Entry = Pick<ExecutionRecord, '_id' | 'phase' | 'shard' | 'ownerId' | 'runAt'>
const entryFields = ['phase', 'shard', 'ownerId', 'runAt'] as const

/** A part of what is ready: one priority, from a key up to a position (excluded). */
export interface Range {
  readonly priority: number
  /** Excluded. */
  readonly after: string
  readonly until: number
}

/** How far the entries of a priority are read in one query: up to `end`, and at first so much further. */
interface Window {
  readonly end: number
  readonly span: number
}

/** Windows by priority. */
export type Windows = Map<number, Window>
/** The span of a window behind which the next entry must be looked for: nothing is known, or a read timed out. */
const unknown = 0
const unreadWindow: Window = { end: 0, span: unknown }
const openWindow = (): Window => ({ end: Number.POSITIVE_INFINITY, span: positionStep })
export const createWindows = (): Windows => new Map(priorities.map((priority) => [priority, openWindow()]))

/** Whether more was ready than a page held, when it was read last. */
export const isLimited = (windows: Windows) => [...windows.values()].some(({ end }) => Number.isFinite(end))

/** Reads what is ready in its order. */
export function createEntries(executions: Collection<ExecutionRecord>) {
  async function read(
    pool: Pool,
    ranges: readonly Range[],
    limit: number,
    filter: Filter<ExecutionRecord> = {},
  ): Promise<readonly Entry[]> {
    const parts = ranges
      .map(({ priority, after, until }) => ({ after, until: readyBound(pool, priority, until) }))
      .filter(({ after, until }) => after < until)
      .map(({ after, until }): Filter<ExecutionRecord> => ({ phase: where({ $gt: after, $lt: until }) }))
    if (parts.length === 0 || limit === 0) return []
    const [only] = parts
    const inRanges = parts.length === 1 && only ? only : { $or: parts }
    return executions.find(
      'executions.due',
      { $and: [inRanges, filter] },
      {
        sort: { phase: 1 },
        limit,
        fields: entryFields,
      },
    )
  }

  /** The position of the oldest entry from `from` on, by halves: each query matches half as much as the one before. */
  async function findOldest(pool: Pool, priority: number, from: number, until: number): Promise<number> {
    const has = async (begin: number, end: number) => {
      const phase = where({ $gte: readyBound(pool, priority, begin), $lt: readyBound(pool, priority, end) })
      return (await executions.findOne('executions.oldest', { phase }, { fields: ['_id'] })) !== undefined
    }
    if (!(await has(from, until))) return until
    let [low, high] = [from, until]
    while (high - low > positionStep) {
      const middle = low + Math.max(1, Math.floor((high - low) / 2 / positionStep)) * positionStep
      if (await has(low, middle)) high = middle
      else low = middle
    }
    return low
  }

  /** What a window of a priority leaves out, up to `limit` entries. */
  async function readBeyond(
    windows: Windows,
    pool: Pool,
    { priority, end, until, span }: Window & Pick<Range, 'priority' | 'until'>,
    limit: number,
    filter: Filter<ExecutionRecord>,
  ): Promise<readonly Entry[]> {
    const found: Entry[] = []
    if (end >= until || limit === 0) return found
    let from = span === unknown ? await findOldest(pool, priority, end, until) : end
    let width = Math.max(span, positionStep)
    while (from < until && found.length < limit) {
      const to = Math.min(until, from + width)
      const range = { priority, after: readyBound(pool, priority, from), until: to }
      const begun = { end: from, span: unknown }
      const some = await read(pool, [range], limit - found.length, filter).catch((error: unknown) => {
        if (isUnreachable(error)) windows.set(priority, begun)
        throw error
      })
      found.push(...some)
      from = to
      width *= 2
    }
    return found
  }

  /**
   * The first entries after `after` (null: from the begin) whose time is before `until`, by priority and time. Cost follows
   * `limit` and not how much is ready: where a page did not hold all entries of a priority, the next call reads only about as
   * far as that page reached, and then further in windows that double. MongoDB's index would give the first ones in any case;
   * a database whose index gives no order sorts all that match. Where that takes longer than a call may, the call rejects as for a
   * server that is away, and the next one reads less at once.
   */
  async function readFirst(
    windows: Windows,
    pool: Pool,
    after: string | null,
    until: number,
    limit: number,
    filter: Filter<ExecutionRecord> = {},
  ): Promise<readonly Entry[]> {
    if (limit === 0) return []
    const from = after === null ? null : readReadyKey(after)
    const begin = (priority: number) => {
      if (from === null || after === null || priority > from.priority)
        return { key: readyBound(pool, priority, 0), at: 0 }
      return { key: after, at: priority === from.priority ? from.position : Number.POSITIVE_INFINITY }
    }
    const left = priorities.filter((priority) => begin(priority).at < until)
    const endOf = (priority: number) => {
      const { end, span } = windows.get(priority) ?? openWindow()
      const { at } = begin(priority)
      return Math.min(until, end > at ? end : at === 0 ? 0 : at + Math.max(span, positionStep))
    }
    const ranges = left.map((priority): Range => ({ priority, after: begin(priority).key, until: endOf(priority) }))
    const first = await read(pool, ranges, limit, filter).catch((error: unknown) => {
      if (isUnreachable(error)) for (const priority of priorities) windows.set(priority, unreadWindow)
      throw error
    })
    const found: Entry[] = []
    for (const priority of left) {
      const known = first.filter(({ phase }) => readReadyKey(phase).priority === priority)
      const room = limit - found.length
      const { span } = windows.get(priority) ?? openWindow()
      const beyond = { priority, end: endOf(priority), until, span }
      const rest = await readBeyond(windows, pool, beyond, room - known.length, filter)
      const ofPriority = [...known, ...rest].slice(0, room)
      found.push(...ofPriority)
      if (found.length === limit) {
        narrowAfter(windows, priority, ofPriority)
        return found
      }
      windows.set(priority, openWindow())
    }
    return found
  }

  return { read, readFirst }
}

/** The windows after a page that ended within a priority: what no call has come to must not be matched with the rest. */
function narrowAfter(windows: Windows, last: number, entries: readonly Entry[]): void {
  windows.set(last, windowOf(entries))
  for (const [priority, { end }] of windows)
    if (priority > last && !Number.isFinite(end)) windows.set(priority, unreadWindow)
}

/** The window of a priority of which a page held these: about as many more. */
function windowOf(entries: readonly Entry[]): Window {
  const [first, last] = [entries[0], entries.at(-1)].map((one) => (one ? readReadyKey(one.phase).position : 0))
  const span = Math.max(positionStep, (last ?? 0) - (first ?? 0))
  return { end: (last ?? 0) + span, span }
}
