import { defineCollection, type MongoDatabase, type MongoRecord, where } from '@belfry/storage/mongo'
import type { Session } from '../../sessions/session.ts'
import type { SessionStore } from '../ports.ts'

/** A session; `previous` is JSON. Those of earlier versions have no `markKey`. */
interface SessionDocument extends MongoRecord, Omit<Session, 'id' | 'previous' | 'markKey'> {
  readonly previous: string | null
  readonly markKey?: string | null
}

export const sessionsCollection = defineCollection<SessionDocument>({
  name: 'sessions',
  schema: {
    _id: String,
    userId: String,
    generation: Number,
    createdAt: Number,
    expiresAt: Number,
    hash: String,
    rotatedAt: Number,
    previous: String,
    markKey: String,
  },
  indexes: [{ fields: { userId: 1, rotatedAt: -1 } }, { fields: { expiresAt: 1 } }],
})

function documentOf({ id, previous, ...rest }: Session): SessionDocument {
  return { _id: id, ...rest, previous: previous && JSON.stringify(previous) }
}

function sessionOf({ _id: id, ...rest }: SessionDocument): Session {
  const { userId, generation, createdAt, expiresAt, hash, rotatedAt, previous, markKey = null } = rest
  const times = { createdAt, expiresAt, rotatedAt }
  return { id, userId, generation, ...times, hash, previous: previous ? JSON.parse(previous) : null, markKey }
}

/** The sessions in MongoDB. */
export function createSessionStore(db: MongoDatabase): SessionStore {
  const sessions = db.collection(sessionsCollection)
  const removeMany = (ids: readonly string[]) =>
    sessions.deleteEach(
      'sessions.remove',
      ids.map((id) => ({ id })),
    )
  return {
    async insert(session) {
      await sessions.insertManyIfAbsent('sessions.insert', [documentOf(session)])
    },
    async find(id) {
      const found = await sessions.findOne('sessions.find', { _id: id })
      return found && sessionOf(found)
    },
    async rotate(session, fromHash) {
      const { _id: id, hash, rotatedAt, previous } = documentOf(session)
      const { markKey } = session
      const swap = { id, guard: { hash: fromHash }, update: { $set: { hash, rotatedAt, previous, markKey } } }
      const [isDone] = await sessions.compareAndSetMany('sessions.rotate', [swap])
      return isDone === true
    },
    async removeMany(ids) {
      if (ids.length > 0) await removeMany(ids)
    },
    async removeOfUser(userId) {
      await sessions.deleteMany('sessions.removeOfUser', { userId })
    },
    async listOfUser(userId) {
      const found = await sessions.find('sessions.ofUser', { userId }, { sort: { rotatedAt: -1 }, limit: 1000 })
      return found.map(sessionOf)
    },
    async purge(at, limit) {
      const filter = { expiresAt: where({ $lt: at }) }
      const over = await sessions.find('sessions.over', filter, { sort: { expiresAt: 1 }, fields: ['_id'], limit })
      return over.length === 0 ? 0 : await removeMany(over.map(({ _id }) => _id))
    },
  }
}
