import type { Clock } from '@belfry/service'
import { type OnUnreadable, type Page, type PageBounds, StorageError, type WorkShare } from '@belfry/storage'
import { type Collection, type Filter, type MongoDatabase, where } from '@belfry/storage/mongo'
import { type Execution, executionSize } from '../../executions/execution.ts'
import type { EndedExecution, ExecutionStore, ExecutionUpdate, Step, Stored } from '../ports.ts'
import { createChangeNumbers } from './change-numbers.ts'
import { alikeClaims, claimAlike, isPlainClaim } from './claims.ts'
import { createDueStore } from './due.ts'
import { changedFields, idOf, newRecord, rowIdOf, storedOf } from './execution-record.ts'
import {
  afterOwner,
  allEnded,
  endedBound,
  endedKey,
  ownerOfKey,
  rangeAfter,
  rangeOf,
  rangeOfRunning,
  runningAfter,
  timeText,
} from './keys.ts'
import { createParamsStore, noneApart } from './params.ts'
import { readInOrder } from './reads.ts'
import {
  artifactsCollection,
  type ExecutionRecord,
  executionsCollection,
  logsCollection,
  paramsCollection,
} from './records.ts'

/** No bound: for records that are in memory already. */
const unbounded = Number.MAX_SAFE_INTEGER
/** Claims that differ only in their records are made in one command from so many on. */
const fewClaims = 8
/** Distinct states that `markPublished` marks with a command each; more are marked record by record. */
const fewStates = 8

const sizeOf = (record: ExecutionRecord | undefined) => (record ? record.commandSize + record.outcomeSize : 0)

/** Executions of which the fence needs every one: one that cannot be read would count as closed. */
function allStored(records: readonly ExecutionRecord[]): Stored[] {
  return records.map((record) => {
    try {
      return storedOf(record)
    } catch (error) {
      throw new StorageError('corrupt', `the execution ${record._id} cannot be read`, { cause: error })
    }
  })
}

/** The places of the first of each id: of several changes of one record in a batch the others have lost. */
function firstOfEach(ids: readonly string[]): number[] {
  const seen = new Set<string>()
  return ids.flatMap((id, index) => {
    if (seen.has(id)) return []
    seen.add(id)
    return [index]
  })
}

/** The executions in MongoDB. */
export function createExecutionStore(db: MongoDatabase, clock: Clock, onUnreadable: OnUnreadable): ExecutionStore {
  const executions: Collection<ExecutionRecord> = db.collection(executionsCollection)
  const params = createParamsStore(db, executions, onUnreadable)
  const children = [db.collection(paramsCollection), db.collection(logsCollection), db.collection(artifactsCollection)]
  const numbers = createChangeNumbers(db, executions, clock)

  function storedOrNot(record: ExecutionRecord | undefined): Stored | undefined {
    try {
      return record && storedOf(record)
    } catch (error) {
      onUnreadable('executions', record?._id, error)
      return undefined
    }
  }
  const readable = (records: readonly ExecutionRecord[]) =>
    records.map(storedOrNot).filter((one): one is Stored => one !== undefined)

  async function readPage(step: string, filter: Filter<ExecutionRecord>, page: PageBounds): Promise<Page<Stored>> {
    const { rows, hasMore } = await executions.findPage(step, filter, {
      ...page,
      sizes: ['commandSize', 'outcomeSize'],
    })
    return { rows: readable(rows), hasMore }
  }

  /** Changes that differ too much for one command. */
  async function swapEach(step: Step, updates: readonly ExecutionUpdate[], at: number, firstNo: number) {
    const replaced = updates.filter(({ from, to }) => from.version !== to.version).map(({ to }) => to)
    const apart = await params.put(replaced, at)
    return executions.compareAndSetMany(
      `executions.${step}`,
      updates.map(({ rowId, from, to }, index) => {
        const newParams = from.version === to.version ? null : (apart[replaced.indexOf(to)] ?? noneApart)
        const { seq, epoch, state } = from
        return {
          id: idOf(rowId),
          guard: { seq, epoch, state },
          update: { $set: changedFields(from, to, newParams, at, firstNo + index) },
        }
      }),
    )
  }

  async function swapAll(step: Step, updates: readonly ExecutionUpdate[], at: number, firstNo: number) {
    const counted = new Array<boolean>(updates.length).fill(false)
    const note = (indexes: readonly number[], answers: readonly boolean[]) => {
      for (const [place, index] of indexes.entries()) counted[index] = answers[place] ?? false
    }
    const places = updates.map((_, index) => index)
    const plain = step === 'claim' ? places.filter((index) => isPlainClaim(updates[index] as ExecutionUpdate)) : []
    const ofPlaces = (some: readonly number[]) => some.map((index) => updates[index] as ExecutionUpdate)
    const groups = alikeClaims(ofPlaces(plain), plain).filter((one) => one.indexes.length >= fewClaims)
    let nextNo = firstNo
    for (const group of groups) {
      note(group.indexes, await claimAlike(executions, group, at, nextNo))
      nextNo += group.indexes.length
    }
    const grouped = new Set(groups.flatMap(({ indexes }) => indexes))
    const others = places.filter((index) => !grouped.has(index))
    if (others.length > 0) note(others, await swapEach(step, ofPlaces(others), at, nextNo))
    return counted
  }

  /** Removes what belongs to executions that are gone. */
  async function purgeChildren(ids: readonly string[]): Promise<void> {
    const ofOne = (id: string) => ({ _id: rangeOf(id) })
    await Promise.all(children.map((one) => one.deleteManyOfEach('executions.purge-rest', ids, ofOne)))
  }

  return {
    ...createDueStore(executions),
    readParams: params.readParams,
    purgeOrphans: params.purgeOrphans,
    async insertMany(some, at) {
      const firsts = firstOfEach(some.map(({ id }) => id))
      if (firsts.length === 0) return []
      const list = firsts.map((index) => some[index] as Execution)
      const apart = await params.put(list, at)
      const inserted = await numbers.give(
        list.length,
        (firstNo) => {
          const records = list.map((one, index) => newRecord(one, apart[index] ?? noneApart, at, firstNo + index))
          return executions.insertManyIfAbsent('executions.insert', records)
        },
        (answers) => list.filter((_, index) => answers[index]).map(({ id }) => id),
      )
      const stored = new Array<Stored | undefined>(some.length).fill(undefined)
      for (const [place, index] of firsts.entries()) {
        const execution = list[place] as Execution
        if (inserted[place]) stored[index] = { rowId: rowIdOf(execution.id), execution, size: executionSize(execution) }
      }
      return stored
    },
    async compareAndSetMany(step, updates, at) {
      const firsts = firstOfEach(updates.map(({ rowId }) => idOf(rowId)))
      if (firsts.length === 0) return []
      const list = firsts.map((index) => updates[index] as ExecutionUpdate)
      const answers = await numbers.give(
        list.length,
        (firstNo) => swapAll(step, list, at, firstNo),
        (counted) => list.filter((_, index) => counted[index]).map(({ rowId }) => idOf(rowId)),
      )
      const counted = new Array<boolean>(updates.length).fill(false)
      for (const [place, index] of firsts.entries()) counted[index] = answers[place] ?? false
      return counted
    },
    async find(ids, bytes = unbounded) {
      return (await readInOrder(executions, 'executions.find', ids, bytes, sizeOf)).map(storedOrNot)
    },
    async readStates(ids) {
      const filter = { _id: where({ $in: ids }) }
      const found = await executions.find('executions.states', filter, { fields: ['state'] })
      const byId = new Map(found.map(({ _id, state }) => [_id, state]))
      return ids.map((id) => byId.get(id))
    },
    async read(rowIds, bytes = unbounded) {
      return (await readInOrder(executions, 'executions.read', rowIds.map(idOf), bytes, sizeOf)).map(storedOrNot)
    },
    async hasOpen(jobIds) {
      const isOpen = async (jobId: string) =>
        (await executions.findOne('executions.open', { openOf: rangeOf(jobId) }, { fields: ['_id'] })) !== undefined
      return Promise.all(jobIds.map(isOpen))
    },
    async listHeld(owner) {
      const fields = ['epoch', 'cancelRequested'] as const
      const held = await executions.find('executions.held', { phase: rangeOfRunning(owner) }, { fields })
      return held.map(({ _id, epoch, cancelRequested }) => ({ rowId: rowIdOf(_id), epoch, cancelRequested }))
    },
    async listRunningOwners() {
      const owners: string[] = []
      // From one owner straight to the next: the cost follows the number of owners.
      for (let after = ''; ; ) {
        const filter = { phase: runningAfter(after) }
        const next = await executions.findOne('executions.owners', filter, { sort: { phase: 1 }, fields: ['phase'] })
        if (!next) return owners
        const owner = ownerOfKey(next.phase)
        owners.push(owner)
        after = afterOwner(owner)
      }
    },
    async listRunningOf(owners, page) {
      if (owners.length === 0) return { rows: [], hasMore: false }
      const filter = { $or: owners.map((owner) => ({ phase: rangeOfRunning(owner) })) }
      return readPage('executions.running', filter, page)
    },
    async listOpen(jobId, state, after, limit) {
      const field = state === 'running' ? 'runningOf' : 'openOf'
      const filter: Filter<ExecutionRecord> = {
        [field]: rangeAfter(jobId, after === null ? null : idOf(after)),
        ...(state === 'ready' && { state }),
      }
      const options = { sort: { [field]: 1 }, limit, level: 'linearizable' } as const
      const rows = allStored(await executions.find('executions.open', filter, options))
      return { rows, next: rows.length === limit ? (rows.at(-1)?.rowId ?? null) : null }
    },
    async listInDoubt(jobId, since) {
      const filter = { doubtOf: rangeAfter(jobId, timeText(since)) }
      return allStored(await executions.find('executions.in-doubt', filter, { level: 'linearizable' }))
    },
    async markUnpublished(stored) {
      if (stored.length === 0) return
      const filter = { _id: where({ $in: stored.map(({ rowId }) => idOf(rowId)) }) }
      await executions.updateMany('executions.republish', filter, { $set: { unpublishedAt: clock.now() } })
    },
    async listChanges({ after, limit }) {
      const head = await numbers.newest()
      const rows: ExecutionRecord[] = []
      const fields = ['seq', 'changeNo'] as const
      // Numbers stand close together where records changed last, and far apart where most have changed again since.
      for (let from = after, width = 4 * limit; from < head && rows.length < limit; from += width, width *= 4) {
        const filter = { changeNo: where({ $gt: from, $lte: Math.min(head, from + width) }) }
        const options = { sort: { changeNo: 1 }, limit: limit - rows.length, fields } as const
        rows.push(...(await executions.find('executions.changes', filter, options)))
      }
      const data = rows.map(({ _id, seq, changeNo }) => ({ id: _id, seq, changeNo }))
      return { rows: data, head, hasMore: rows.length === limit }
    },
    listUnpublished: (page, share) => readPage('outbox.read', unpublishedOf(share), page),
    async markPublished(states) {
      const seqs = [...new Set(states.map(({ seq }) => seq))]
      const update = { $set: { unpublishedAt: null } }
      if (seqs.length > fewStates) {
        const changes = states.map(({ rowId, seq }) => ({ id: idOf(rowId), guard: { seq }, update }))
        await executions.updateEach('outbox.mark', changes)
        return
      }
      for (const seq of seqs) {
        const ids = states.filter((one) => one.seq === seq).map(({ rowId }) => idOf(rowId))
        await executions.updateMany('outbox.mark', { _id: where({ $in: ids }), seq }, update)
      }
    },
    async listEnded(before, after, limit) {
      const from = after === null ? endedBound(0) : endedKey(after.changedAt, idOf(after.rowId))
      const filter = { phase: where({ $gt: from, $lt: endedBound(before) }) }
      const fields = ['seq', 'state', 'changedAt', 'unpublishedAt'] as const
      const found = await executions.find('executions.ended', filter, { sort: { phase: 1 }, limit, fields })
      const rows = found.map(({ _id, seq, state, changedAt, unpublishedAt }): EndedExecution => {
        return { rowId: rowIdOf(_id), seq, state, changedAt, isPublished: unpublishedAt === null }
      })
      const last = rows.length === limit ? rows.at(-1) : undefined
      return { rows, next: last ? { changedAt: last.changedAt, rowId: last.rowId } : null }
    },
    async purgeMany(rows) {
      if (rows.length === 0) return 0
      const ids = rows.map(({ rowId }) => idOf(rowId))
      const guarded = rows.map(({ seq }, index) => {
        return { id: ids[index] ?? '', guard: { seq, phase: allEnded, unpublishedAt: null } }
      })
      const purged = await executions.deleteEach('executions.purge', guarded)
      const left = await executions.find('executions.purge', { _id: where({ $in: ids }) }, { fields: ['_id'] })
      const stay = new Set(left.map(({ _id }) => _id))
      await purgeChildren(ids.filter((id) => !stay.has(id)))
      return purged
    },
  }
}

/** The filter of unpublished records of a share; a sole instance's looks at nothing but the mark. */
function unpublishedOf({ index, instances, overdueAt }: WorkShare): Filter<ExecutionRecord> {
  const isMarked: Filter<ExecutionRecord> = { unpublishedAt: where({ $gt: 0 }) }
  if (instances === 1) return isMarked
  const isMine = { $or: [{ shard: where({ $mod: [instances, index] }) }, { changedAt: where({ $lte: overdueAt }) }] }
  return { $and: [isMarked, isMine] } as Filter<ExecutionRecord>
}
