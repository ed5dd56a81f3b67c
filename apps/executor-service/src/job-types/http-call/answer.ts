import type { Dispatcher } from 'undici'

/** What an HTTP_CALL keeps of an answer. */
export interface Answer {
  status: number
  /** A safe subset, lower-case names. */
  headers: Record<string, string>
  /** JSON where the content type says so and it was read whole, else text; null where there was nothing. */
  body: unknown
  /** The body was longer than what is kept. */
  truncated: boolean
}

/** Headers that say something about the answer and carry no secret of the target (never cookies or challenges). */
const keptHeaders = [
  'cache-control',
  'content-encoding',
  'content-language',
  'content-length',
  'content-type',
  'date',
  'etag',
  'last-modified',
  'location',
  'retry-after',
  'x-correlation-id',
  'x-request-id',
]
/** Longest value of a header that is kept, characters. */
const longestHeader = 512

type Headers = Dispatcher.ResponseData['headers']

/** The first value of a header, or undefined. */
function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

function keepHeaders(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of keptHeaders) {
    const value = headerOf(headers, name)
    if (value !== undefined) kept[name] = value.slice(0, longestHeader)
  }
  return kept
}

/**
 * Reads at most `maxBytes`. What is longer is cut off by closing the connection: its rest might never end. Destroying a
 * body raises an error event, so it gets a listener first.
 */
async function readCapped(body: Dispatcher.ResponseData['body'], maxBytes: number) {
  const chunks: Buffer[] = []
  let bytes = 0
  body.on('error', () => {})
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxBytes) break
  }
  const truncated = bytes > maxBytes
  return { bytes: Buffer.concat(chunks).subarray(0, maxBytes), truncated }
}

/** Nested deeper than this JSON is kept as text: what reads a result may be recursive. */
const deepest = 64

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((inner) => isDeeperThan(inner, depth - 1))
}

/** Keys through which a careless merge would change every object there is. */
const risky = /__proto__|constructor|\\u00/
const dropRisky = (key: string, value: unknown) => (key === '__proto__' || key === 'constructor' ? undefined : value)

function parseJson(text: string): { json: unknown } | null {
  try {
    const json = JSON.parse(text, risky.test(text) ? dropRisky : undefined)
    return isDeeperThan(json, deepest) ? null : { json }
  } catch {
    return null
  }
}

/** Size of a value in a stored result, bytes: text full of control characters grows six-fold in JSON. */
function storedBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

function shorten(text: string, maxBytes: number): { body: string; truncated: boolean } {
  let body = text
  while (storedBytes(body) > maxBytes) body = body.slice(0, body.length >> 1).toWellFormed()
  return { body, truncated: body.length < text.length }
}

const jsonType = /^application\/(?:[^;\s]+\+)?json\s*(?:;|$)/i

/** How much of a body was read, in the words of a log line. */
function sizeText(bytes: number, truncated: boolean): string {
  return `${truncated ? 'more than ' : ''}${bytes} byte${bytes === 1 ? '' : 's'}`
}

/** Reads an answer to its end, or to the cap. The stored form of `body` is at most half as long again as `maxBytes`. */
export async function readAnswer(
  response: Dispatcher.ResponseData,
  maxBytes: number,
): Promise<{ answer: Answer; size: string }> {
  const maxStored = maxBytes * 1.5
  const { bytes, truncated } = await readCapped(response.body, maxBytes)
  const kept = { status: response.statusCode, headers: keepHeaders(response.headers) }
  const size = sizeText(bytes.length, truncated)
  if (bytes.length === 0) return { answer: { ...kept, body: null, truncated }, size }
  const text = new TextDecoder().decode(bytes, { stream: truncated })
  const parsed = !truncated && jsonType.test(headerOf(response.headers, 'content-type') ?? '') ? parseJson(text) : null
  if (parsed && storedBytes(parsed.json) <= maxStored)
    return { answer: { ...kept, body: parsed.json, truncated }, size }
  const short = shorten(text, maxStored)
  return { answer: { ...kept, body: short.body, truncated: truncated || short.truncated }, size }
}

/** Whether `actual` has everything that `expected` names: objects may have more keys, lists and values must be equal. */
export function matchesPartly(expected: unknown, actual: unknown): boolean {
  if (typeof expected !== 'object' || expected === null) return expected === actual
  if (typeof actual !== 'object' || actual === null || Array.isArray(expected) !== Array.isArray(actual)) return false
  if (Array.isArray(expected) && expected.length !== (actual as unknown[]).length) return false
  return Object.entries(expected).every(
    ([key, value]) => Object.hasOwn(actual, key) && matchesPartly(value, (actual as Record<string, unknown>)[key]),
  )
}
