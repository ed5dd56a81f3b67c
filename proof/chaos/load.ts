import type { LoadRequest } from './plan.ts'
import { openRecordFile } from './record.ts'

/** What a request of the load was answered in the end. */
export interface Answered {
  readonly name: string
  readonly kind: LoadRequest['kind']
  /** When the answer had come, epoch milliseconds. */
  readonly at: number
  readonly status: number
  /** The job's id, or the execution's that a trigger has made. */
  readonly id: string
  readonly body: Record<string, unknown>
}

/** Answers that were no success, by status and text; the caller asked again. */
type Refusals = ReadonlyMap<string, number>

export interface LoadResult {
  readonly answered: ReadonlyMap<string, Answered>
  /** Requests that were not answered 2xx until the end. */
  readonly unanswered: readonly LoadRequest[]
  readonly refusals: Refusals
  /** Answers that no caller may get: 500, or a refusal that asks for patience without Retry-After. */
  readonly wrong: readonly string[]
}

export interface LoadOptions {
  /** The gateway for the next call. */
  readonly url: () => string
  readonly target: string
  readonly requests: readonly LoadRequest[]
  /** Before the keys of its requests, so that runs on one database differ. */
  readonly keyPrefix: string
  /** Where the answers are written down. */
  readonly recordPath: string
  /** How long after its time a request may go on asking, milliseconds. */
  readonly patienceMs: number
  /** Requests at a time. */
  readonly concurrency?: number
  /** How often one may be refused or lost before it counts as failed; default: as often as the patience allows. */
  readonly mostTries?: number
}

interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  readonly body: Record<string, unknown>
}

const callMs = 30_000
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

async function send(url: string, token: string | null, body: unknown, key: string | null): Promise<Answer | undefined> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
        ...(key && { 'idempotency-key': key }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(callMs),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    const retryAfter = response.headers.get('retry-after')
    return { status: response.status, retryAfter, body: isJson && text ? JSON.parse(text) : {} }
  } catch {
    return undefined
  }
}

/** Logs a user in, again and again until it is done. */
async function logIn(url: () => string): Promise<string> {
  const credentials = { username: 'chaos', password: 'correct horse battery' }
  for (;;) {
    await send(`${url()}/auth/signup`, null, credentials, null)
    const login = await send(`${url()}/auth/login`, null, credentials, null)
    if (typeof login?.body.token === 'string') return login.body.token
    await wait(500)
  }
}

/** The address that the runs of a request call. */
function targetUrl(
  target: string,
  { name, workMs = 0, failures = 0 }: { name: string; workMs?: number; failures?: number },
) {
  return `${target}/${name}?ms=${workMs}&failures=${failures}`
}

const at = (time: number) => new Date(time).toISOString()

/** The retries of one-shots: no two starts of one execution are closer than this, milliseconds. */
export const retryDelayMs = 300

function bodyOf(request: LoadRequest, target: string, startedAt: number): Record<string, unknown> {
  const params = { url: targetUrl(target, request), method: 'POST', timeoutMs: 120_000 }
  const job = { name: request.name, jobType: 'HTTP_CALL', params }
  const retry = { maxRetries: 2, backoff: 'fixed', delay: `${retryDelayMs}ms`, jitter: false }
  if (request.kind === 'one-shot') {
    const { dueMs, delayMs } = request
    return { ...job, retry, ...(dueMs === undefined ? { delay: `${delayMs}ms` } : { runAt: at(startedAt + dueMs) }) }
  }
  if (request.kind === 'cron') return { ...job, schedule: '* * * * * *', overlap: { policy: request.overlap } }
  if (request.kind === 'manual') return job
  return request.kind === 'trigger' ? { params } : {}
}

/** Starts the load; `done` resolves when every request is answered or has run out of patience. */
export function startLoad(options: LoadOptions): { readonly done: Promise<LoadResult>; readonly startedAt: number } {
  const {
    url,
    target,
    requests,
    keyPrefix,
    patienceMs,
    concurrency = 48,
    mostTries = Number.POSITIVE_INFINITY,
  } = options
  const answered = new Map<string, Answered>()
  const unanswered: LoadRequest[] = []
  const refusals = new Map<string, number>()
  const wrong: string[] = []
  const startedAt = Date.now()
  let token: Promise<string> = logIn(url)

  function note({ name }: LoadRequest, answer: Answer | undefined): void {
    const what = answer ? `${answer.status} ${answer.body.detail ?? ''}`.trim() : 'no answer'
    refusals.set(what, (refusals.get(what) ?? 0) + 1)
    if (!answer) return
    const mustSayWhen = answer.status === 429 || answer.status === 503
    if (answer.status === 500 || (mustSayWhen && !answer.retryAfter)) {
      wrong.push(`${name} was answered ${answer.status} with ${JSON.stringify(answer.body).slice(0, 300)}`)
    }
  }

  /** Resolves with the path once what it names is known; undefined when that was never made. */
  async function pathOf(request: LoadRequest, until: number): Promise<string | undefined> {
    if (request.kind !== 'trigger' && request.kind !== 'cancel') return '/jobs'
    while (!answered.has(request.of)) {
      if (Date.now() > until) return undefined
      await wait(50)
    }
    return `/jobs/${answered.get(request.of)?.id}/${request.kind}`
  }

  async function ask(request: LoadRequest, record: (entry: Answered) => Promise<void>): Promise<void> {
    const until = Date.now() + patienceMs
    const path = await pathOf(request, until)
    for (let tries = 0; path !== undefined && tries < mostTries && Date.now() < until; tries++) {
      const used = token
      const answer = await send(
        `${url()}${path}`,
        await used,
        bodyOf(request, target, startedAt),
        `${keyPrefix}-${request.name}`,
      )
      if (answer && answer.status < 300) {
        const { name, kind } = request
        const id = String(answer.body.id)
        const entry = { name, kind, at: Date.now(), status: answer.status, id, body: answer.body }
        await record(entry)
        answered.set(name, entry)
        // A cancel that the executors have not confirmed closes nothing yet: it is asked for again.
        if (kind !== 'cancel' || answer.status === 200) return
      } else note(request, answer)
      if (answer?.status === 401 && token === used) token = logIn(url)
      await wait(Math.min(2_000, Number(answer?.retryAfter ?? 0) * 1_000 || 250 * 2 ** Math.min(tries, 3)))
    }
    if (!answered.has(request.name)) unanswered.push(request)
  }

  async function run(): Promise<LoadResult> {
    await token
    const file = await openRecordFile<Answered>(options.recordPath)
    const open = new Set<Promise<void>>()
    for (const request of requests) {
      await wait(Math.max(0, startedAt + request.atMs - Date.now()))
      while (open.size >= concurrency) await Promise.race(open)
      const asked: Promise<void> = ask(request, file.add).finally(() => open.delete(asked))
      open.add(asked)
    }
    await Promise.all(open)
    await file.close()
    return { answered, unanswered, refusals, wrong }
  }
  return { done: run(), startedAt }
}
