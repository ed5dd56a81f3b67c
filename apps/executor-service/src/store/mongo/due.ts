import type { WorkShare } from '@belfry/storage'
import { type Collection, type Filter, where } from '@belfry/storage/mongo'
import type { Pool } from '../../executions/execution.ts'
import type { DueCursor, DueExecution, DueStore, RowId } from '../ports.ts'
import { createEntries, createWindows, type Entry, isLimited, type Range, type Windows } from './due-entries.ts'
import { idOf, rowIdOf } from './execution-record.ts'
import {
  allReady,
  dueOfType,
  priorities,
  readReadyKey,
  readyBound,
  readyPrefixLength,
  readySuffix,
  timeOfTypeKey,
  timeText,
  typePrefixLength,
} from './keys.ts'
import type { ExecutionRecord } from './records.ts'

/** Entries that a walk reads at once, whatever the caller allows: each one travels here. */
const mostEntries = 2000

/** Job types of one query. */
const mostTypes = 50

/** Of a full page of what is due, one part in so many may be what is overdue of others' shares. */
const overduePart = 4

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

/** What is ready and due, in MongoDB. */
export function createDueStore(executions: Collection<ExecutionRecord>): DueStore {
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

  /** All types in one query, since mostly nothing is due; each for itself where the page of all does not hold what is due. */
  async function readDueOfTypes(
    types: readonly string[],
    until: number,
    limit: number,
  ): Promise<readonly DueExecution[]> {
    const filter = { $or: types.map((type): Filter<ExecutionRecord> => ({ otherOf: dueOfType(type, until) })) }
    const options = { sort: { otherOf: 1 }, limit, fields: ['otherOf'] } as const
    const found = await executions.find('executions.due-of-types', filter, options)
    if (found.length === limit && types.length > 1)
      return (await Promise.all(types.map((type) => readDueOfTypes([type], until, limit)))).flat()
    return found.map(({ _id, otherOf }) => {
      return { rowId: rowIdOf(_id), runAt: timeOfTypeKey(otherOf ?? ''), pool: 'other' as const }
    })
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
    async listDueOfTypes({ types, until, limit }) {
      const pages: Promise<readonly DueExecution[]>[] = []
      for (let at = 0; at < types.length; at += mostTypes)
        pages.push(readDueOfTypes(types.slice(at, at + mostTypes), until, limit))
      return (await Promise.all(pages)).flat()
    },
    async listExpired(now, limit) {
      const options = { sort: { expiryAt: 1 }, limit, fields: ['_id'] } as const
      const found = await executions.find('executions.expired', { expiryAt: where({ $gt: 0, $lt: now }) }, options)
      return found.map(({ _id }) => rowIdOf(_id))
    },
    async quarantineMany(rowIds: readonly RowId[], until) {
      const prefix = { $substrBytes: ['$phase', 0, readyPrefixLength] }
      const ids = rowIds.map(idOf)
      const phase = { $concat: [prefix, timeText(until), readySuffix(0, ''), '$_id'] }
      const filter = { _id: where({ $in: ids }), state: 'ready', phase: allReady } as const
      await executions.updateMany('executions.put-aside', filter, [{ $set: { phase } }])
      const otherPrefix = { $substrBytes: ['$otherOf', 0, typePrefixLength] }
      const otherOf = { $concat: [otherPrefix, timeText(until), '/', '$_id'] }
      const others = { _id: where({ $in: ids }), otherOf: where({ $gt: '' }) }
      await executions.updateMany('executions.put-aside', others, [{ $set: { otherOf } }])
    },
  }
}
