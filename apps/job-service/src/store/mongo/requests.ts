import type { RequestRecord, StoredAnswer } from '@belfry/http'
import { type MongoDatabase, where } from '@belfry/storage/mongo'
import type { PurgedRequestStore } from '../ports.ts'
import { type RequestDocument, requestsCollection } from './collections.ts'

function readRecord({ _id: id, bodyHash, mintedId, madeAt, triedBy, triedAt, answer }: RequestDocument): RequestRecord {
  const stored = answer === null ? null : (JSON.parse(answer) as StoredAnswer)
  return { id, bodyHash, mintedId, madeAt, triedBy, triedAt, answer: stored }
}

type RequestTry = Pick<RequestRecord, 'id' | 'triedBy' | 'triedAt'>

/** Open, and its newest try is this one. */
const isTriedBy = ({ triedBy, triedAt }: RequestTry) => ({ triedBy, triedAt, answer: null })

/** `PurgedRequestStore` on the collection `requests`. */
export function createRequestStore(db: MongoDatabase): PurgedRequestStore {
  const requests = db.collection(requestsCollection)
  const find = async (id: string) => {
    const found = await requests.findOne('requests.read', { _id: id })
    return found && readRecord(found)
  }
  return {
    async insert({ id, bodyHash, mintedId, madeAt, triedBy, triedAt }, keptSince) {
      const document: RequestDocument = { _id: id, bodyHash, mintedId, madeAt, triedBy, triedAt, answer: null }
      for (;;) {
        const [isInserted] = await requests.insertManyIfAbsent('requests.insert', [document])
        if (isInserted) return undefined
        const found = await find(id)
        if (found && found.madeAt >= keptSince) return found
        // An older one gives way; it may also have been removed in between.
        await requests.deleteEach('requests.expire', [{ id, guard: { madeAt: where({ $lt: keptSince }) } }])
      }
    },
    find,
    async retake(found, triedBy, triedAt) {
      const swap = { id: found.id, guard: isTriedBy(found), update: { $set: { triedBy, triedAt } } }
      const [isRetaken] = await requests.compareAndSetMany('requests.retake', [swap])
      return isRetaken === true
    },
    async storeAnswer(tried, answer) {
      const update = { $set: { answer: JSON.stringify(answer) } }
      const swap = { id: tried.id, guard: isTriedBy(tried), update }
      const [isStored] = await requests.compareAndSetMany('requests.settle', [swap])
      return isStored === true
    },
    async removeIfUntouched(tried) {
      await requests.deleteEach('requests.remove', [{ id: tried.id, guard: isTriedBy(tried) }])
    },
    async purge(before, limit) {
      const filter = { madeAt: where({ $lt: before }) }
      const old = await requests.find('requests.read', filter, { limit, fields: ['_id'] })
      const rows = old.map(({ _id }) => ({ id: _id, guard: filter }))
      if (rows.length > 0) await requests.deleteEach('requests.purge', rows)
      return old.length === limit
    },
  }
}
