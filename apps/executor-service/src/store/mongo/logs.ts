import { type Collection, type MongoDatabase, where } from '@belfry/storage/mongo'
import type { LogChunkSummary, LogEntry, LogStore } from '../ports.ts'
import { idOf, rowIdOf } from './execution-record.ts'
import { keyWithin, timeText } from './keys.ts'
import { type ChunkRecord, executionsCollection, logsCollection } from './records.ts'

/** Numbers of attempts and lines as texts of one length. */
const numberText = (number: number) => String(number).padStart(10, '0')
const chunkId = (execution: string, epoch: number, seq: number) =>
  keyWithin(execution, numberText(epoch), numberText(seq))
const lastNumber = 9_999_999_999

/** The logs in MongoDB: a record holds the lines that an attempt wrote between two flushes, mostly all of them. */
export function createLogStore(db: MongoDatabase): LogStore {
  const logs: Collection<ChunkRecord> = db.collection(logsCollection)
  const executions = db.collection(executionsCollection)

  return {
    async append(chunks) {
      const records = chunks.map(({ rowId, epoch, lines }): ChunkRecord => {
        const [execution, at] = [idOf(rowId), lines.at(-1)?.at ?? 0]
        const _id = chunkId(execution, epoch, lines[0]?.seq ?? 0)
        const lastSeq = lines.at(-1)?.seq ?? 0
        return {
          _id,
          execution,
          epoch,
          lastSeq,
          at,
          storedAs: keyWithin(timeText(at), _id),
          lines: JSON.stringify(lines),
        }
      })
      const isNew = await logs.insertManyIfAbsent('logs.append', records)
      const known = records.filter((_, index) => !isNew[index])
      if (known.length === 0) return
      const longer = known.map(({ _id, lastSeq, at, lines }) => {
        return { id: _id, guard: { lastSeq: where({ $lt: lastSeq }) }, update: { $set: { lastSeq, at, lines } } }
      })
      await logs.updateEach('logs.append', longer)
    },
    async list(rowId, { after, epoch, limit }) {
      const execution = idOf(rowId)
      const from = epoch !== null && after.epoch < epoch ? { epoch, seq: 0 } : after
      // The chunk with the line after the cursor: the last one of its attempt that does not begin behind that line.
      const before = {
        _id: where({
          $gte: chunkId(execution, from.epoch, 0),
          $lte: chunkId(execution, from.epoch, from.seq + 1),
        }),
      }
      const first = await logs.findOne('logs.list', before, { sort: { _id: -1 }, fields: ['_id'] })
      const range = {
        _id: where({
          $gte: first?._id ?? chunkId(execution, from.epoch, from.seq),
          $lte: chunkId(execution, epoch ?? lastNumber, lastNumber),
        }),
      }
      // A chunk holds one line at least; the first one may hold none that is asked for.
      const found = await logs.find('logs.list', range, {
        sort: { _id: 1 },
        limit: limit + 1,
        fields: ['epoch', 'lines'],
      })
      return found
        .flatMap((one) => (JSON.parse(one.lines) as LogEntry[]).map((line) => ({ ...line, epoch: one.epoch })))
        .filter((one) => one.epoch > from.epoch || one.seq > from.seq)
        .slice(0, limit)
    },
    async listOldest(after, limit) {
      const filter = { storedAs: where({ $gt: after === null ? '' : idOf(after) }) }
      const options = { sort: { storedAs: 1 }, limit, fields: ['execution', 'at', 'storedAs'] } as const
      const chunks = await logs.find('logs.oldest', filter, options)
      const ids = [...new Set(chunks.map(({ execution }) => execution))]
      const fields = ['state', 'changedAt'] as const
      const found = await executions.find('logs.oldest', { _id: where({ $in: ids }) }, { fields })
      const byId = new Map(found.map(({ _id, state, changedAt }) => [_id, { state, changedAt }]))
      const rows = chunks.map(({ execution, at, storedAs }): LogChunkSummary => {
        return { rowId: rowIdOf(storedAs), at, execution: byId.get(execution) ?? null }
      })
      const last = rows.length === limit ? rows.at(-1) : undefined
      return { rows, next: last?.rowId ?? null }
    },
    async purgeMany(rowIds) {
      // The id stands after the time.
      const rows = rowIds.map((rowId) => ({ id: idOf(rowId).slice(idOf(rowId).indexOf('/') + 1) }))
      return logs.deleteEach('logs.purge', rows)
    },
  }
}
