import { readJsonBody } from '@belfry/http'

/** Fields of bodies that the systems before Belfry took, turned into its own (docs/guide/http-conventions.md). */

type Body = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Body => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a text says: the value of JSON that a body may hold, else the text itself. */
function readPayload(payload: unknown): unknown {
  if (typeof payload !== 'string' || payload === '') return payload
  try {
    return readJsonBody(Buffer.from(payload))
  } catch {
    return payload
  }
}

/**
 * `payload` becomes `params.payload`; null stands for none. It stays where it is, for the schema to refuse, where the params
 * cannot take it: they have a payload of their own, or are no object.
 */
function withPayload(body: Body): Body {
  if (!Object.hasOwn(body, 'payload')) return body
  const { payload, params = {}, ...others } = body
  if (!isObject(params) || Object.hasOwn(params, 'payload')) return body
  const given = payload === null ? params : { ...params, payload: readPayload(payload) }
  return { ...others, params: given }
}

/** `{"command", "executionTime"}` is a COMMAND job that runs once. With a `jobType` it is not that form, and is refused. */
function withCommand(body: Body): Body {
  const { command, executionTime, ...others } = body
  if (typeof command !== 'string' || Object.hasOwn(body, 'jobType')) return body
  if (Object.hasOwn(body, 'params') || Object.hasOwn(body, 'scheduledTime')) return body
  const time = executionTime === undefined ? {} : { scheduledTime: executionTime }
  return { ...others, jobType: 'COMMAND', params: { command }, ...time }
}

/** The body of `POST /jobs` in Belfry's own fields; what is no such field stays as it is. */
export function inOwnFields(body: unknown): unknown {
  return isObject(body) ? withPayload(withCommand(body)) : body
}
