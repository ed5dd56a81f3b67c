import { type FetchReply, fetchReply, type ServiceName, tolerant } from '@belfry/contracts'
import type { RestClient } from './rest-client.ts'
import { ServiceCallError } from './service-call-error.ts'

/** A schema of the contracts, by its one method that is used here. */
export interface RecordSchema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: { message: string } }
}

interface FetchOptions<T> {
  readonly rest: RestClient
  readonly service: ServiceName
  /** The route that answers `fetchBody` with a `FetchReply`. */
  readonly path: string
  readonly record: RecordSchema<T>
  /** The member of a record that holds its id. */
  readonly idName: keyof T & string
  /** For one answer, milliseconds. */
  readonly deadlineMs: number
}

/** What became of some of the ids. Those that are named nowhere have no record any more. */
interface Fetched<T> {
  readonly records: readonly T[]
  /** Ids whose record cannot be read, and why. */
  readonly failed: readonly { readonly id: string; readonly reason: string }[]
}

/** Ids that one request may name (contracts, `fetchBody`). */
const requestIds = 200

/** A newer version of the other service may answer with more. */
const replySchema = tolerant(fetchReply)

/** Answers that fewer ids at a time may mend: one that is too large, and one that a single bad record makes unreadable. */
function isDivisible(error: unknown): error is ServiceCallError {
  return error instanceof ServiceCallError && (error.code === 'too-large' || error.code === 'unreadable')
}

/**
 * Fetches records of another service, a part at a time. The other service cuts its answer by bytes and names the ids that
 * it left out. When an answer is too large or is no JSON, the client asks again in halves, down to the one record that
 * makes it so; a record that does not fit its schema fails alone. Rejects when the service does not answer.
 */
async function* fetchRecords<T>(ids: readonly string[], options: FetchOptions<T>): AsyncGenerator<Fetched<T>> {
  const { rest, service, path, record, idName, deadlineMs } = options
  const waiting: (readonly string[])[] = []
  for (let from = 0; from < ids.length; from += requestIds) waiting.push(ids.slice(from, from + requestIds))
  waiting.reverse()

  async function ask(some: readonly string[]): Promise<FetchReply | string> {
    try {
      const answer = await rest.request({ service, method: 'POST', path, body: { ids: some }, deadlineMs })
      if (answer.status === 413) return 'the answer is too large'
      if (answer.status !== 200) throw new Error(`${service} answered ${answer.status} to POST ${path}`)
      const parsed = replySchema.safeParse(answer.body)
      return parsed.success ? parsed.data : `the answer is malformed: ${parsed.error.message}`
    } catch (error) {
      if (!isDivisible(error)) throw error
      return error.message
    }
  }

  function read({ data, unreadable, left }: FetchReply, some: readonly string[]): Fetched<T> {
    const records: T[] = []
    const failed = unreadable.map((id) => ({ id, reason: `${service} cannot read its record` }))
    const named = new Set([...left, ...unreadable])
    let nameless: string | null = null
    for (const raw of data) {
      const id = (raw as Record<string, unknown> | null)?.[idName]
      if (typeof id === 'string') named.add(id)
      const parsed = record.safeParse(raw)
      if (parsed.success) records.push(parsed.data)
      else if (typeof id === 'string') failed.push({ id, reason: parsed.error.message })
      else nameless = parsed.error.message
    }
    // A record without its id may be that of any id that is named nowhere else, so that none of these counts as gone.
    if (nameless !== null) for (const id of some) if (!named.has(id)) failed.push({ id, reason: nameless })
    return { records, failed }
  }

  for (let some = waiting.pop(); some; some = waiting.pop()) {
    const reply = await ask(some)
    if (typeof reply !== 'string') {
      if (reply.left.length > 0 && reply.left.length < some.length) waiting.push(reply.left)
      yield read(reply, some)
    } else if (some.length > 1) {
      const middle = Math.ceil(some.length / 2)
      waiting.push(some.slice(middle), some.slice(0, middle))
    } else yield { records: [], failed: some.map((id) => ({ id, reason: reply })) }
  }
}

/** The first records in order of change; see the contracts, `changesQuery`. */
interface ChangedRecords<Row> {
  readonly rows: readonly Row[]
  /** The newest change number when the list was made. */
  readonly head: number
  readonly hasMore: boolean
}

export interface RecordsClientOptions<Row, T> {
  readonly rest: RestClient
  /** The service that owns the records. It answers `GET <path>/changes` and `POST <path>/fetch`. */
  readonly service: ServiceName
  readonly path: string
  readonly page: RecordSchema<{ readonly data: readonly Row[]; readonly head: number; readonly hasMore: boolean }>
  readonly record: RecordSchema<T>
  /** The member of a record that holds its id. */
  readonly idName: keyof T & string
  /** For one answer, milliseconds. */
  readonly deadlineMs: number
}

/** The records of another service, as a reconciler reads them (docs/protocol.md step 14). */
export interface RecordsClient<Row, T> {
  /** The records with a change number above `after`, at most `limit` of them. Rejects when the service does not answer. */
  list(after: number, limit: number): Promise<ChangedRecords<Row>>
  /** See `fetchRecords`. */
  fetch(ids: readonly string[]): AsyncGenerator<Fetched<T>>
  idOf(record: T): string
}

export function createRecordsClient<Row, T>(options: RecordsClientOptions<Row, T>): RecordsClient<Row, T> {
  const { rest, service, path, page, idName, deadlineMs } = options
  const fetching = { ...options, path: `${path}/fetch` }
  return {
    async list(after, limit) {
      const query = `after=${after}&limit=${limit}`
      const answer = await rest.request({ service, method: 'GET', path: `${path}/changes?${query}`, deadlineMs })
      if (answer.status !== 200) throw new Error(`${service} answered ${answer.status} to GET ${path}/changes`)
      const read = page.safeParse(answer.body)
      if (!read.success) throw new Error(`${service} answered with a list that cannot be read: ${read.error.message}`)
      const { data: rows, head, hasMore } = read.data
      return { rows, head, hasMore }
    },
    fetch: (ids) => fetchRecords(ids, fetching),
    idOf: (record) => String(record[idName]),
  }
}
