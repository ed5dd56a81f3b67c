import { randomUUID } from 'node:crypto'
import { paramsSize } from '@belfry/contracts'
import type { OnUnreadable } from '@belfry/storage'
import { type Collection, type MongoDatabase, where } from '@belfry/storage/mongo'
import { type Execution, hasLargeParams } from '../../executions/execution.ts'
import { largeParamsText } from '../execution-text.ts'
import type { ExecutionStore } from '../ports.ts'
import { type ApartParams, idOf, rowIdOf } from './execution-record.ts'
import { keyWithin } from './keys.ts'
import { within } from './reads.ts'
import { type ExecutionRecord, paramsCollection } from './records.ts'

/** Of an execution whose params stand in its record. */
export const noneApart: ApartParams = { paramsId: null, paramsSize: null }

/** Params that are too large for their record stand in a collection of their own. */
export interface ParamsStore extends Pick<ExecutionStore, 'readParams' | 'purgeOrphans'> {
  /** Stores large params, before the record that names them; params of no record are orphans. */
  put(some: readonly Execution[], at: number): Promise<ApartParams[]>
}

export function createParamsStore(
  db: MongoDatabase,
  executions: Collection<ExecutionRecord>,
  onUnreadable: OnUnreadable,
): ParamsStore {
  const params = db.collection(paramsCollection)
  return {
    async put(some, at) {
      const apart = some.map((one): ApartParams => {
        if (!hasLargeParams(one)) return noneApart
        return { paramsId: keyWithin(one.id, randomUUID()), paramsSize: paramsSize(one.params) }
      })
      const records = some.flatMap((one, index) => {
        const _id = apart[index]?.paramsId ?? null
        return _id === null ? [] : [{ _id, execution: one.id, at, params: largeParamsText(one) ?? '' }]
      })
      if (records.length > 0) await params.insertManyIfAbsent('executions.params', records)
      return apart
    },
    async readParams(rowIds, bytes) {
      const filter = { _id: where({ $in: rowIds.map(idOf) }) }
      const fields = ['command', 'commandSize', 'paramsId', 'paramsSize'] as const
      const found = await executions.find('executions.params', filter, { fields })
      const byId = new Map(found.map((one) => [one._id, one]))
      const sizeOfParams = (id: string) => byId.get(id)?.paramsSize ?? byId.get(id)?.commandSize ?? 0
      const ids = within(rowIds.map(idOf), bytes, sizeOfParams)
      const apart = ids.flatMap((id) => byId.get(id)?.paramsId ?? [])
      const large = apart.length === 0 ? [] : await params.find('executions.params', { _id: where({ $in: apart }) })
      const textOf = new Map(large.map((one) => [one._id, one.params]))
      return ids.map((id) => {
        const record = byId.get(id)
        try {
          if (record?.paramsId) return JSON.parse(textOf.get(record.paramsId) ?? '') as Record<string, unknown>
          return record && (JSON.parse(record.command) as Pick<Execution, 'params'>).params
        } catch (error) {
          onUnreadable('params', id, error)
          return undefined
        }
      })
    },
    async purgeOrphans(before, after, limit) {
      const filter = { _id: where({ $gt: after === null ? '' : idOf(after) }) }
      const options = { sort: { _id: 1 }, limit, fields: ['execution', 'at'] } as const
      const walked = await params.find('executions.orphans', filter, options)
      const parents = await executions.find(
        'executions.orphans',
        { _id: where({ $in: [...new Set(walked.map(({ execution }) => execution))] }) },
        { fields: ['paramsId'] },
      )
      const named = new Set(parents.map(({ paramsId }) => paramsId))
      const orphans = walked.filter(({ _id, at }) => at < before && !named.has(_id))
      const purged = await params.deleteEach(
        'executions.orphans',
        orphans.map(({ _id }) => ({ id: _id })),
      )
      const last = walked.length === limit ? walked.at(-1) : undefined
      return { purged, next: last ? rowIdOf(last._id) : null }
    },
  }
}
