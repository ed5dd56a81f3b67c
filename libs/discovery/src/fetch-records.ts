import { type FetchReply, fetchReply, type ServiceName } from '@belfry/contracts'
import { ServiceCallError } from './hop-error.ts'
import type { RestClient } from './rest-client.ts'

/** A schema of the contracts, by the one method of it that is needed here. */
export interface RecordSchema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: { message: string } }
}

export interface FetchOptions<T> {
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
export interface Fetched<T> {
  readonly records: readonly T[]
  /** Ids whose record cannot be had, and why. */
  readonly failed: readonly { readonly id: string; readonly reason: string }[]
}

/** Ids that one request may name (contracts, `fetchBody`). */
const requestIds = 200

/** 413 speaks of the request, the other two of the answer: fewer ids at a time may fit, and one bad record is found so. */
function isDivisible(error: unknown): error is ServiceCallError {
  return error instanceof ServiceCallError && (error.code === 'too-large' || error.code === 'unreadable')
}

/**
 * Fetches records of another service, a part at a time. The other service cuts its answer by bytes and says what it left
 * out. An answer that is too large, or is no JSON, is asked for again in halves, down to the one record that makes it so;
 * a record that does not fit its schema is told apart from the others. Rejects when the service does not answer.
 */
export async function* fetchRecords<T>(ids: readonly string[], options: FetchOptions<T>): AsyncGenerator<Fetched<T>> {
  const { rest, service, path, record, idName, deadlineMs } = options
  const waiting: (readonly string[])[] = []
  for (let from = 0; from < ids.length; from += requestIds) waiting.push(ids.slice(from, from + requestIds))
  waiting.reverse()

  async function ask(some: readonly string[]): Promise<FetchReply | string> {
    try {
      const answer = await rest.request({ service, method: 'POST', path, body: { ids: some }, deadlineMs })
      if (answer.status === 413) return 'the answer is too large'
      if (answer.status !== 200) throw new Error(`${service} answered ${answer.status} to POST ${path}`)
      const reply = fetchReply.safeParse(answer.body)
      return reply.success ? reply.data : `the answer is malformed: ${reply.error.message}`
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
    // A record without its id may be that of any id that is named nowhere else: none of them may be taken for gone.
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
