import { problem } from '@belfry/contracts'
import { Pool } from 'undici'
import { createRandom } from '../random.ts'
import { drawHttpInput, type FuzzedOperation, type HttpInput, type InputClass } from './http-inputs.ts'
import { createValues, type JsonSchema } from './json-values.ts'
import type { System } from './system.ts'

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}
interface Operation {
  readonly operationId?: string
  readonly parameters?: readonly { readonly $ref?: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, FuzzedOperation['content']>> }
}

/** What came back. `null` where the connection ended without an answer. */
interface Answer {
  readonly status: number
  readonly type: string
  readonly text: string
}

/** Statuses of a valid request that its meaning explains: another's id, a state, a version, a rule over several fields. */
const explained = new Set([401, 403, 404, 409, 412, 422, 429, 503])
/** A call without an answer after so long has failed, milliseconds. */
const answerMs = 60_000
/** What is read of an answer, characters; event streams go on for ever. */
const readLimit = 2_000_000
/** Ids that are remembered of a kind. */
const idsLimit = 200

function operationsOf({ paths, components = {} }: Document, serviceOf: (path: string) => number): FuzzedOperation[] {
  const resolve = (one: { readonly $ref?: string }) => {
    const [, , kind = '', name = ''] = one.$ref?.split('/') ?? []
    return (one.$ref === undefined ? one : components[kind]?.[name]) as FuzzedOperation['parameters'][number]
  }
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { operationId = '', parameters = [], requestBody }]) => {
      const [contentType, content] = Object.entries(requestBody?.content ?? {})[0] ?? []
      return {
        name: operationId,
        method: method.toUpperCase(),
        path,
        parameters: parameters.map(resolve),
        service: serviceOf(path),
        ...(content !== undefined && { content, contentType: contentType ?? '' }),
      }
    }),
  )
}

/** Operations with a stream as their answer: their headers are the answer. */
const isStream = (type: string) => type.startsWith('text/event-stream')

/** Draws requests of the system's own description, sends them, and checks the answers. */
export async function openHttpTarget(system: System) {
  const document = (await system.callers[1]?.call<Document>('GET', '/openapi.json'))?.body as Document
  const owned = await Promise.all(
    system.direct.map(async (url) => (await (await fetch(`${url}/openapi.json`)).json()) as Document),
  )
  const serviceOf = (path: string) => 1 + owned.findIndex(({ paths }) => path in paths)
  const operations = operationsOf(document, serviceOf)
  const draw = createValues((ref) => document.components?.schemas?.[ref.split('/').pop() ?? ''] as JsonSchema)
  const pools = [system.url, ...system.direct].map(
    (url) => new Pool(url, { connections: 16, headersTimeout: answerMs, bodyTimeout: answerMs }),
  )
  const ids: Record<string, string[]> = {}
  /** Answers by operation and class; refusals of valid requests by operation. */
  const statuses = new Map<string, number>()
  const refusedValid = new Map<string, string>()
  const accepted = new Set<string>()

  function remember(text: string): void {
    for (const [id] of text.slice(0, 4000).matchAll(/(?:job|exe|ntf|dlv|key|usr)-[0-9a-z-]{30,60}/g)) {
      const kind = { job: 'jobs', exe: 'executions', ntf: 'notifications' }[id.slice(0, 3)] ?? 'auth'
      ids[kind] ??= []
      const known = ids[kind]
      if (known.length < idsLimit) known.push(id)
      else known[id.charCodeAt(id.length - 1) % idsLimit] = id
    }
  }

  async function send(input: HttpInput): Promise<Answer> {
    const token = system.callers[input.caller]?.token
    const { body } = input
    const answer = await (pools[Math.max(0, input.target)] as Pool).request({
      method: input.method as 'GET',
      path: input.path,
      headers: { ...(token && { authorization: `Bearer ${token}` }), ...input.headers },
      ...(body && { body: 'text' in body ? body.text : Buffer.from(body.base64, 'base64') }),
    })
    const type = String(answer.headers['content-type'] ?? '')
    if (isStream(type)) {
      answer.body.on('error', () => undefined).destroy()
      return { status: answer.statusCode, type, text: '' }
    }
    const text = await answer.body.text()
    return { status: answer.statusCode, type, text: text.slice(0, readLimit) }
  }

  /** What is wrong with an answer; undefined when nothing is. */
  function issueOf(input: HttpInput, { status, type, text }: Answer): string | undefined {
    if (status >= 500 && status !== 503 && status !== 501) return `status ${status}: ${text.slice(0, 300)}`
    if (status >= 400 && input.method !== 'HEAD') {
      if (!type.startsWith('application/problem+json')) return `status ${status} with content-type "${type}"`
      const read = problem.strict().safeParse(JSON.parse(text))
      if (!read.success) return `no problem: ${read.error.message}`
      if (read.data.status !== status) return `the problem says ${read.data.status}, the answer ${status}`
    }
    if (input.class !== 'valid') return undefined
    if (status < 400) accepted.add(input.name)
    else if (!explained.has(status) && !refusedValid.has(input.name))
      refusedValid.set(input.name, `${status} ${text.slice(0, 600)} for ${JSON.stringify(input).slice(0, 600)}`)
    return undefined
  }

  return {
    name: 'http',
    callers: 8,
    operations,
    statuses,
    refusedValid,
    accepted,
    /** Draws valid inputs of one operation. */
    drawValid(operation: FuzzedOperation, seed: number): HttpInput {
      return drawHttpInput(operation, 'valid', draw, ids, createRandom(seed))
    },
    draw(seed: number): HttpInput {
      const random = createRandom(seed)
      const share = random.fraction()
      const inputClass: InputClass = share < 0.3 ? 'valid' : share < 0.7 ? 'near' : 'hostile'
      return drawHttpInput(random.oneOf(operations), inputClass, draw, ids, random)
    },
    async run(input: HttpInput): Promise<string | undefined> {
      let answer: Answer
      try {
        answer = await send(input)
      } catch (error) {
        // The client refuses what HTTP cannot carry; a closed connection belongs to a body that was not read.
        const { code = '', message } = error as { code?: string; message: string }
        statuses.set(code, (statuses.get(code) ?? 0) + 1)
        return /ECONNRESET|EPIPE|UND_ERR_SOCKET|INVALID_ARG/.test(code) ? undefined : `no answer: ${code} ${message}`
      }
      const counted = `${input.class} ${answer.status}`
      statuses.set(counted, (statuses.get(counted) ?? 0) + 1)
      if (answer.status < 300) remember(answer.text)
      return issueOf(input, answer)
    },
    async close() {
      await Promise.all(pools.map((pool) => pool.destroy()))
    },
  }
}
export type HttpTarget = Awaited<ReturnType<typeof openHttpTarget>>
