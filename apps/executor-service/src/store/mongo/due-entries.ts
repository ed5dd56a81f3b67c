import { isUnreachable } from '@belfry/storage'
import { type Collection, type Filter, where } from '@belfry/storage/mongo'
import type { Pool } from '../../executions/execution.ts'
import { positionStep, priorities, readReadyKey, readyBound } from './keys.ts'
import type { ExecutionRecord } from './records.ts'

/** An entry of the index of what is ready, with what decides whose it is. */
export type Entry = Pick<ExecutionRecord, '_id' | 'phase' | 'shard' | 'ownerId' | 'runAt'>
const entryFields = ['phase', 'shard', 'ownerId', 'runAt'] as const

/** How near to the oldest entry a search for it ends, milliseconds. */
const oldestWithinMs = 1000

/** A part of what is ready: one priority, from a key up to a position (excluded). */
export interface Range {
  readonly priority: number
  /** Excluded. */
  readonly after: string
  readonly until: number
}

/** How far the entries of a priority are read in one query: up to `end`, and at first so much further. */
interface Window {
  end: number
  span: number
}

/** Windows by priority. */
export type Windows = Map<number, Window>
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

  /** What a window of a priority leaves out, up to `limit` entries. */
  async function readBeyond(
    pool: Pool,
    { priority, end, until, span }: Window & Pick<Range, 'priority' | 'until'>,
    limit: number,
    filter: Filter<ExecutionRecord>,
  ): Promise<readonly Entry[]> {
    const found: Entry[] = []
    let [from, width] = [end, span]
    while (from < until && found.length < limit) {
      // A priority that no call came to has no window yet.
      const to = from === 0 ? until : Math.min(until, from + width)
      const range = { priority, after: readyBound(pool, priority, from), until: to }
      found.push(...(await read(pool, [range], limit - found.length, filter)))
      from = to
      width *= 2
    }
    return found
  }

  /** A time near the oldest entry of a priority, by halves: each query matches half as much as the one before. */
  async function nearOldest(pool: Pool, priority: number, until: number): Promise<number | undefined> {
    const has = async (from: number, to: number) => {
      const phase = where({ $gte: readyBound(pool, priority, from), $lt: readyBound(pool, priority, to) })
      return (await executions.findOne('executions.oldest', { phase }, { fields: ['_id'] })) !== undefined
    }
    if (!(await has(0, until))) return undefined
    let [low, high] = [0, until]
    while (high - low > oldestWithinMs) {
      const middle = Math.floor((low + high) / 2)
      if (await has(low, middle)) high = middle
      else low = middle
    }
    return low
  }

  /** Windows for what is too much to be read at once. */
  async function narrow(windows: Windows, pool: Pool, until: number): Promise<void> {
    for (const priority of priorities) {
      const end = await nearOldest(pool, priority, until)
      windows.set(priority, end === undefined ? openWindow() : { end, span: positionStep })
    }
  }

  /**
   * The first entries after `after` (null: from the begin) whose time is before `until`, by priority and time. Cost follows
   * `limit` and not how much is ready: where a page did not hold all entries of a priority, the next call reads only about as
   * far as that page reached, and then further in windows that double. MongoDB's index would give the first ones in any case;
   * a database whose index gives no order sorts all that match.
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
      return Math.min(until, end > at || end === 0 ? end : at + span)
    }
    const readWindows = () => {
      const ranges = left.map((priority): Range => ({ priority, after: begin(priority).key, until: endOf(priority) }))
      return read(pool, ranges, limit, filter)
    }
    const first = await readWindows().catch(async (error: unknown) => {
      // The server is away, or sorts so much that the time-out comes first: after a start no window is known yet.
      if (!isUnreachable(error) || isLimited(windows)) throw error
      await narrow(windows, pool, until)
      return readWindows()
    })
    const found: Entry[] = []
    for (const priority of left) {
      const known = first.filter(({ phase }) => readReadyKey(phase).priority === priority)
      const room = limit - found.length
      const { span } = windows.get(priority) ?? openWindow()
      const beyond = { priority, end: endOf(priority), until, span }
      const ofPriority = [...known, ...(await readBeyond(pool, beyond, room - known.length, filter))].slice(0, room)
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
  for (const priority of priorities) if (priority > last) windows.set(priority, { end: 0, span: positionStep })
}

/** The window of a priority of which a page held these: about as many more. */
function windowOf(entries: readonly Entry[]): Window {
  const [first, last] = [entries[0], entries.at(-1)].map((one) => (one ? readReadyKey(one.phase).position : 0))
  const span = Math.max(positionStep, (last ?? 0) - (first ?? 0))
  return { end: (last ?? 0) + span, span }
}
