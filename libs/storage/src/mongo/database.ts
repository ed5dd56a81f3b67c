import { setTimeout as wait } from 'node:timers/promises'
import type { Logger, Metrics } from '@belfry/service'
import mongoose, { type Connection, type ConnectOptions, type Model, type SchemaDefinition } from 'mongoose'
import { isOutcomeUnknown, StorageError, type StorageErrorCode } from '../errors.ts'
import { createCalls } from './calls.ts'
import { createCollection } from './collection.ts'
import type { Collection, MongoRecord } from './collection-port.ts'
import { asStorageError } from './errors.ts'
import { tokensField } from './tokens.ts'
import { hostsOf, parseMongoUrl } from './url.ts'

/** An index: its fields in their order. A unique index over fields other than `_id` is not for fields whose uniqueness is raced. */
export interface IndexDefinition {
  readonly fields: Readonly<Record<string, 1 | -1>>
  readonly unique?: true
  /** Only the documents that match are in it; a query uses it only when its filter says the same. */
  readonly only?: Readonly<Record<string, unknown>>
}

/** A collection: its fields, and all of its indexes but the one of `_id`. Fields that are not declared are refused. */
export interface CollectionDefinition<T extends MongoRecord> {
  readonly name: string
  readonly schema: { readonly [K in keyof Required<T>]: SchemaDefinition[string] }
  readonly indexes?: readonly IndexDefinition[]
}

/** The definition as it is given, with its type. */
export function defineCollection<T extends MongoRecord>(definition: CollectionDefinition<T>): CollectionDefinition<T> {
  return definition
}

export interface OpenMongoOptions {
  /** The database where the URL names none. */
  readonly database: string
  /** The version of the schema that this program knows, from 1. A database with a newer one is refused. */
  readonly schemaVersion: number
  readonly collections: readonly Pick<CollectionDefinition<MongoRecord>, 'name' | 'indexes'>[]
  /** The names of the durable steps that its stores take; null: any (tests). Another write is refused (`failed`). */
  readonly steps: readonly string[] | null
  readonly log: Logger
  readonly metrics: Metrics
  /** Crash point of the process, for proofs: the text of `BELFRY_CRASH_AT`. */
  readonly crashAt?: string | null | undefined
  /** How long the opening waits for the server, milliseconds. Default 30,000. */
  readonly connectWithinMs?: number
}

/** One database of a MongoDB server. */
export interface MongoDatabase {
  /** A collection that was named at the opening. */
  collection<T extends MongoRecord>(definition: CollectionDefinition<T>): Collection<T>
  /** Numbers handed out in batches: the last of `count` new ones of this name; none of them is given twice. */
  nextNumbers(name: string, count: number): Promise<number>
  /** The newest number handed out under the name; 0 when there was none. */
  newestNumber(name: string): Promise<number>
  /** Waits for the calls that are under way, a few seconds at most, and refuses others. May be called twice. */
  close(): Promise<void>
}

/**
 * A call ends within about 2 s, also when the server hangs (docs of the driver: only the four together bound every call). Writes
 * are never repeated by the driver: what was lost may have been applied, and the callers know what may be repeated.
 */
const connectOptions = {
  socketTimeoutMS: 2000,
  heartbeatFrequencyMS: 500,
  connectTimeoutMS: 1000,
  serverSelectionTimeoutMS: 2000,
  waitQueueTimeoutMS: 2000,
  maxPoolSize: 32,
  retryWrites: false,
  retryReads: true,
  autoIndex: false,
  autoCreate: false,
  bufferCommands: false,
  sanitizeFilter: true,
  writeConcern: { w: 'majority' },
  readConcern: { level: 'majority' },
  readPreference: 'primary',
} as const satisfies ConnectOptions

/** An index over a large collection takes longer than any other call, milliseconds. */
const indexTimeoutMs = 600_000
const openMs = 30_000
const retryConnectMs = 500
/** What passes when the server is there again. */
const passing: readonly StorageErrorCode[] = ['unavailable', 'outcome-unknown', 'locked']
/** How long no call may get an answer before a new connection is tried, milliseconds. */
const silentMs = 5000
/** The server knows another index of that name, or another one over these fields. */
const indexConflicts: readonly number[] = [85, 86]

interface CounterRecord extends MongoRecord {
  readonly value: number
}
interface SchemaRecord extends MongoRecord {
  readonly version: number
}
const counters = defineCollection<CounterRecord>({ name: 'counters', schema: { _id: String, value: Number } })
const schemas = defineCollection<SchemaRecord>({ name: 'belfry_schema', schema: { _id: String, version: Number } })

const isRefused = (error: unknown) =>
  error instanceof Error && ('code' in error ? [13, 18, 8000].includes(error.code as number) : false)

/** Connects as soon as the server answers; rejects when it has not within the time. */
async function connect(url: string, database: string, options: OpenMongoOptions): Promise<Connection> {
  const { origin, options: query } = parseMongoUrl(url)
  const withinMs = options.connectWithinMs ?? openMs
  const deadline = performance.now() + withinMs
  let hasWarned = false
  for (;;) {
    const connection = mongoose.createConnection(`${origin}/${query}`, { ...connectOptions, dbName: database })
    // Without a listener an error of the connection would end the process; each call reports its own.
    connection.on('error', () => undefined)
    try {
      await connection.asPromise()
      await connection.db?.command({ ping: 1 })
      return connection
    } catch (error) {
      await connection.close(true).catch(() => undefined)
      const message = error instanceof Error ? error.message : String(error)
      const name = `MongoDB at ${hostsOf(url)}`
      if (isRefused(error)) throw new StorageError('failed', `${name} refuses the connection: ${message}`)
      if (performance.now() >= deadline)
        throw new StorageError('unavailable', `${name} does not answer within ${withinMs / 1000} s: ${message}`)
      if (!hasWarned) options.log.warn({ server: hostsOf(url), reason: message }, 'the database does not answer yet')
      hasWarned = true
      await wait(retryConnectMs)
    }
  }
}

/** Creates the indexes that are not there. It takes a connection of its own, because it may take minutes. */
async function createIndexes(url: string, database: string, { collections, log }: OpenMongoOptions): Promise<void> {
  const { origin, options: query } = parseMongoUrl(url)
  const settings = { ...connectOptions, socketTimeoutMS: indexTimeoutMs, dbName: database }
  const connection = await mongoose.createConnection(`${origin}/${query}`, settings).asPromise()
  try {
    for (const { name, indexes = [] } of collections) {
      const collection = connection.collection(name)
      for (const { fields, unique, only } of indexes) {
        const indexName = Object.entries(fields).flat().join('_')
        try {
          await collection.createIndex(fields as Record<string, 1 | -1>, {
            name: indexName,
            ...(unique && { unique }),
            ...(only && { partialFilterExpression: only }),
          })
        } catch (error) {
          const code = error instanceof Error && 'code' in error ? Number(error.code) : 0
          if (!indexConflicts.includes(code)) throw error
          const message = `${database}.${name} has an index ${indexName} that is defined otherwise: drop it, then start again`
          throw new StorageError('failed', message, { cause: error })
        }
      }
    }
    log.debug({ database, collections: collections.length }, 'the indexes are there')
  } finally {
    await connection.close(true)
  }
}

function modelOf(connection: Connection, { name, schema }: { name: string; schema: object }): Model<MongoRecord> {
  const known = connection.models[name]
  if (known) return known as Model<MongoRecord>
  const options = {
    strict: 'throw',
    strictQuery: 'throw',
    minimize: false,
    autoIndex: false,
    autoCreate: false,
    versionKey: false,
    id: false,
    collection: name,
  } as const
  const definition = { ...schema, [tokensField]: [String] }
  return connection.model(name, new mongoose.Schema(definition as never, options)) as unknown as Model<MongoRecord>
}

/** Refuses a database that a newer Belfry wrote, and marks a new one. */
async function checkSchema(records: Collection<SchemaRecord>, database: string, version: number): Promise<void> {
  await records.insertManyIfAbsent('schema.insert', [{ _id: 'schema', version }])
  const stored = (await records.findOne('schema.read', { _id: 'schema' }))?.version ?? version
  if (stored > version) {
    const versions = `version ${stored}, this Belfry knows ${version}`
    throw new StorageError(
      'schema-newer',
      `a newer Belfry wrote the database ${database}: its schema is at ${versions}`,
    )
  }
  if (stored < version) await records.updateOne('schema.raise', { _id: 'schema' }, { $max: { version } })
}

/**
 * Connects to the database of the URL, waits for the server, creates the indexes that are missing, and checks the version of the schema.
 * Credentials are checked in the database that the URL's `authSource` names, else in `admin`. Rejects with a `StorageError` that
 * shows no password: `unavailable`, `schema-newer`, `failed` (credentials, an index that is defined otherwise).
 */
export async function openMongo(url: string, options: OpenMongoOptions): Promise<MongoDatabase> {
  const database = parseMongoUrl(url).database ?? options.database
  const deadline = performance.now() + (options.connectWithinMs ?? openMs)
  let connection = await connect(url, database, options)
  let renewing: Promise<void> | null = null

  /**
   * The driver does not always come back after a server was killed or hung: it waits for ever for a socket that is destroyed already,
   * also where it watches the server. Then a new connection finds the server, and takes the old one's place.
   */
  async function renew(): Promise<void> {
    const fresh = await connect(url, database, { ...options, connectWithinMs: 0 }).catch(() => null)
    if (!fresh) return
    const old = connection
    connection = fresh
    old.close(true).catch(() => undefined)
    options.log.warn({ database }, 'the connection to the database did not recover; a new one takes its place')
  }
  const notice = () => {
    renewing ??= renew().finally(() => {
      renewing = null
    })
  }

  const calls = createCalls({ ...options, silence: { afterMs: silentMs, notice } })
  const open = <T extends MongoRecord>(definition: CollectionDefinition<T>) =>
    createCollection<T>(() => modelOf(connection, definition), calls)
  const numbers = open(counters)

  /** Checks the schema and creates the indexes; begins anew, within the time of the opening, when the server goes away meanwhile. */
  async function prepare(): Promise<void> {
    try {
      await checkSchema(open(schemas), database, options.schemaVersion)
      await createIndexes(url, database, options)
    } catch (thrown) {
      const error = asStorageError(thrown, 'read')
      if (!passing.includes(error.code) || performance.now() >= deadline) throw error
      await wait(retryConnectMs)
      await prepare()
    }
  }
  try {
    await prepare()
  } catch (error) {
    await connection.close(true)
    throw error
  }

  return {
    collection(definition) {
      if (!options.collections.some(({ name }) => name === definition.name))
        throw new StorageError('failed', `the collection ${definition.name} was not named at the opening`)
      return open(definition)
    },
    async nextNumbers(name, count) {
      const takeOnce = () => numbers.findOneAndUpdate('numbers.take', { _id: name }, { $inc: { value: count } })
      // Numbers whose answer was lost are never used.
      const take = () => takeOnce().catch((error) => (isOutcomeUnknown(error) ? takeOnce() : Promise.reject(error)))
      const taken = await take()
      if (taken) return taken.value
      await numbers.insertManyIfAbsent('numbers.insert', [{ _id: name, value: 0 }])
      const first = await take()
      if (!first) throw new StorageError('failed', `the counter ${name} was removed`)
      return first.value
    },
    async newestNumber(name) {
      return (await numbers.findOne('numbers.read', { _id: name }))?.value ?? 0
    },
    async close() {
      await calls.close()
      await renewing
      await connection.close(true)
    },
  }
}
