import type { Dialect } from './dialects.ts'

type Members = Record<string, unknown>

/** Members of answers that hold what users have given: nothing in them is an address of ours or an id. */
const ofUsers = new Set(['params', 'result', 'payload', 'examples', 'schema'])

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function moveLinks(links: Members, prefix: string): void {
  for (const [name, to] of Object.entries(links)) if (typeof to === 'string') links[name] = prefix + to
}

/** How the enveloped dialect names the fields of a record, by the address of the record itself. */
function renamed(record: Members, self: string): Members {
  const { id, ...others } = record
  if (self.startsWith('/executions/')) return { executionId: id, ...others }
  if (!self.startsWith('/jobs/') || typeof id !== 'string') return record
  if (typeof others.version === 'number') others.version -= 1
  return { jobId: id, ...others }
}

/**
 * Changes the value in place: a page has thousands of objects, and few of them change. A record is what has `links` with the address
 * of its own.
 */
function rewrite(value: unknown, dialect: Dialect): unknown {
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      if (typeof value[at] === 'object') value[at] = rewrite(value[at], dialect)
    }
    return value
  }
  if (!isMembers(value)) return value
  for (const name in value) {
    if (typeof value[name] === 'object' && !ofUsers.has(name)) value[name] = rewrite(value[name], dialect)
  }
  const { links } = value
  if (!isMembers(links) || typeof links.self !== 'string' || !links.self.startsWith('/')) return value
  const { self } = links
  moveLinks(links, dialect.prefix)
  return dialect.isEnveloped ? renamed(value, self) : value
}

/** The phrase of a success. */
const messages: Readonly<Record<number, string>> = { 201: 'Created', 202: 'Accepted' }

/** A list keeps its members beside `data`, above all `page`; everything else becomes `data`. */
function enveloped(body: unknown, status: number): Members {
  const head = { success: true, message: messages[status] ?? 'OK' }
  return isMembers(body) && Array.isArray(body.data) ? { ...head, ...body } : { ...head, data: body }
}

/**
 * The body of a success as a dialect shows it: its links stay in the dialect, and `/api/v1` wraps it (docs/guide/http-conventions.md). It is
 * made out of the given one, which changes.
 */
export function inDialect(body: unknown, dialect: Dialect, status: number): unknown {
  const records = rewrite(body, dialect)
  return dialect.isEnveloped ? enveloped(records, status) : records
}

/** A problem as `/api/v1` shows it: its own members, and two of the envelope. `allowed` stands in the message too. */
export function envelopedProblem<T extends { detail: string; allowed?: readonly string[] | undefined }>(problem: T) {
  const { detail, allowed } = problem
  const message = allowed ? `${detail} Allowed: ${allowed.join(', ')}.` : detail
  return { success: false, message, ...problem }
}
