import type { WorkShare } from '@belfry/storage'
import { type Collection, type Filter, where } from '@belfry/storage/mongo'
import type { Pool } from '../../executions/execution.ts'
import type { DueCursor, DueExecution, DueStore, RowId } from '../ports.ts'
import { idOf, rowIdOf } from './execution-record.ts'
import {
  allReady,
  positionStep,
  priorities,
  readReadyKey,
  readyBound,
  readyPrefixLength,
  readySuffix,
  timeText,
} from './keys.ts'
import type { ExecutionRecord } from './records.ts'

type Executions = Collection<ExecutionRecord>

/** An entry of the index of what is ready, with what decides whose it is. */
type Entry = Pick<ExecutionRecord, '_id' | 'phase' | 'shard' | 'ownerId' | 'runAt'>
const entryFields = ['phase', 'shard', 'ownerId', 'runAt'] as const

/** Entries that a walk reads at once, whatever the caller allows: each one travels here. */
const mostEntries = 2000

/** Of a full page of what is due, one part in so many may be what is overdue of others' shares. */
const overduePart = 4

/** A part of what is ready: one priority, from a key up to a position (excluded). */
interface Range {
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
type Windows = Map<number, Window>
const openWindow = (): Window => ({ end: Number.POSITIVE_INFINITY, span: positionStep })
const createWindows = (): Windows => new Map(priorities.map((priority) => [priority, openWindow()]))

const dueOf = (pool: Pool, { _id, phase }: Entry): DueExecution => ({
  rowId: rowIdOf(_id),
  runAt: Math.floor(readReadyKey(phase).position),
  pool,
})

/** The filter of an executor's own share; a sole executor's filters nothing. */
function ofOwnShare({ index, instances }: WorkShare): Filter<ExecutionRecord> {
  return instances === 1 ? {} : { shard: where({ $mod: [instances, index] }) }
}

/** The filter of a share with what is overdue of the others'. */
function ofShare(share: WorkShare): Filter<ExecutionRecord> {
  if (share.instances === 1) return {}
  return { $or: [ofOwnShare(share), { runAt: where({ $lte: share.overdueAt }) }] }
}

const isOfShare =
  ({ index, instances, overdueAt }: WorkShare) =>
  ({ shard, runAt }: Entry) =>
    shard % instances === index || runAt <= overdueAt

function createEntries(executions: Executions) {
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
    const ranges = left.map((priority): Range => ({ priority, after: begin(priority).key, until: endOf(priority) }))
    const first = await read(pool, ranges, limit, filter)
    const found: Entry[] = []
    for (const priority of left) {
      const window = windows.get(priority) ?? openWindow()
      const ofPriority = first.filter(({ phase }) => readReadyKey(phase).priority === priority)
      const room = limit - found.length
      let end = endOf(priority)
      for (let { span } = window; end < until && ofPriority.length < room; span *= 2) {
        // A priority that no call came to has no window yet.
        const next = end === 0 ? until : Math.min(until, end + span)
        const range = { priority, after: readyBound(pool, priority, end), until: next }
        ofPriority.push(...(await read(pool, [range], room - ofPriority.length, filter)))
        end = next
      }
      found.push(...ofPriority.slice(0, room))
      if (found.length < limit) windows.set(priority, openWindow())
      else {
        windows.set(priority, windowOf(ofPriority))
        // What no call has come to must not be matched with the rest.
        for (const other of priorities) if (other > priority) windows.set(other, { end: 0, span: positionStep })
        break
      }
    }
    return found
  }

  return { read, readFirst }
}

/** The window of a priority of which a page held these: about as many more. */
function windowOf(entries: readonly Entry[]): Window {
  const [first, last] = [entries[0], entries.at(-1)].map((one) => (one ? readReadyKey(one.phase).position : 0))
  const span = Math.max(positionStep, (last ?? 0) - (first ?? 0))
  return { end: (last ?? 0) + span, span }
}

const isLimited = (windows: Windows) => [...windows.values()].some(({ end }) => Number.isFinite(end))

/** What is ready and due, in MongoDB. */
export function createDueStore(executions: Executions): DueStore {
  const { read, readFirst } = createEntries(executions)
  const dueWindows: Readonly<Record<Pool, Windows>> = { io: createWindows(), cpu: createWindows() }
  const overdueWindows: Readonly<Record<Pool, Windows>> = { io: createWindows(), cpu: createWindows() }
  const othersWindows: Readonly<Record<Pool, Windows>> = { io: createWindows(), cpu: createWindows() }

  /**
   * What is due of the own share, and what is overdue of the others': of a page that is full, at most one part in `overduePart`. All
   * of a backlog is overdue, and executors that each took the first ones of all shares would race for the same ones. An
   * executor that lives and takes nothing still leaves nothing undone.
   */
  async function readDue(pool: Pool, now: number, limit: number, share: WorkShare): Promise<readonly Entry[]> {
    const own = await readFirst(dueWindows[pool], pool, null, now + 1, limit, ofOwnShare(share))
    const { index, instances, overdueAt } = share
    if (instances === 1 || limit === 0) return own
    const ofOthers = { shard: where<number>({ $not: { $mod: [instances, index] } }) }
    const room = Math.max(limit - own.length, Math.ceil(limit / overduePart))
    const until = Math.min(now, overdueAt) + 1
    const overdue = await readFirst(overdueWindows[pool], pool, null, until, room, ofOthers)
    const both = [...own.slice(0, limit - overdue.length), ...overdue]
    return both.sort((a, b) => (a.phase < b.phase ? -1 : 1))
  }

  /** What is due between two moments, of owners that are not saturated. */
  async function readComing(
    pool: Pool,
    now: number,
    until: number,
    limit: number,
    scan: number,
    saturated: readonly string[],
    share: WorkShare,
  ): Promise<readonly Entry[]> {
    if (limit === 0) return []
    const ranges = priorities.map(
      (priority): Range => ({
        priority,
        after: readyBound(pool, priority, now + 1),
        until: until + 1,
      }),
    )
    if (saturated.length === 0) return read(pool, ranges, limit, ofShare(share))
    const entries = await read(pool, ranges, Math.min(mostEntries + limit, scan + limit * share.instances))
    const isMine = isOfShare(share)
    return entries.filter((one) => isMine(one) && !saturated.includes(one.ownerId)).slice(0, limit)
  }

  return {
    async hasReady() {
      // More was ready than a page holds: to look for one entry may cost as much as to look for all.
      if (Object.values(dueWindows).some(isLimited)) return true
      return (await executions.findOne('executions.ready', { phase: allReady }, { fields: ['_id'] })) !== undefined
    },
    async listDue({ now, until, due, coming, saturated, scan, share }) {
      const dueIn = async (pool: Pool) => {
        const found = await readDue(pool, now, due[pool], share)
        return found.map((one) => dueOf(pool, one))
      }
      const comingIn = async (pool: Pool) => {
        const found = await readComing(pool, now, until, coming, scan, saturated, share)
        return found.map((one) => dueOf(pool, one))
      }
      return (await Promise.all([dueIn('io'), dueIn('cpu'), comingIn('io'), comingIn('cpu')])).flat()
    },
    async listDueOfOthers({ pool, now, passOver, after, scan, limit, share }) {
      const looked = Math.min(scan, mostEntries)
      const from = after as unknown as string | null
      // A walk begins as narrow as the last poll found it necessary.
      if (from === null) for (const [priority, window] of dueWindows[pool]) othersWindows[pool].set(priority, window)
      const entries = await readFirst(othersWindows[pool], pool, from, now + 1, looked)
      const isMine = isOfShare(share)
      const rows = entries.filter((one) => isMine(one) && !passOver.includes(one.ownerId)).slice(0, limit)
      const last = rows.length === limit ? rows.at(-1) : entries[looked - 1]
      return { rows: rows.map((one) => dueOf(pool, one)), next: (last?.phase ?? null) as unknown as DueCursor | null }
    },
    async quarantineMany(rowIds: readonly RowId[], until) {
      const prefix = { $substrBytes: ['$phase', 0, readyPrefixLength] }
      const ids = rowIds.map(idOf)
      const phase = { $concat: [prefix, timeText(until), readySuffix(0, ''), '$_id'] }
      const filter = { _id: where({ $in: ids }), state: 'ready', phase: allReady } as const
      await executions.updateMany('executions.put-aside', filter, [{ $set: { phase } }])
    },
  }
}
