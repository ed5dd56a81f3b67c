import { type Client, createClient } from '@belfry/client'
import type { Caller } from '../proof/caller.ts'
import { inParallel } from './belfry.ts'

/** A client of `libs/client` that counts the calls which were refused and repeated. */
export interface CountedClient extends Client {
  /** Answers of 429 and 503 so far. */
  refused(): number
}

/** How often a call is repeated before the measurement fails; each repetition waits as long as the refusal asks for. */
const maxRetries = 100

/** A client for the user; `batches: false` sends each call by itself. */
export function openClient({ url, token }: Caller, batches?: false): CountedClient {
  let refused = 0
  const countedFetch = async (address: string, init: RequestInit) => {
    const answer = await fetch(address, init)
    if (answer.status === 429 || answer.status === 503) refused += 1
    return answer
  }
  const options = { url, token: token ?? '', retry: { maxRetries }, fetch: countedFetch }
  return { ...createClient({ ...options, ...(batches === false && { batches }) }), refused: () => refused }
}

const minimal = { prefer: 'return=minimal' }

/** Throws for the first item of a batch that was refused: a measurement counts what was taken. */
function assertTaken(results: readonly { readonly problem?: unknown }[]): void {
  const refused = results.find(({ problem }) => problem !== undefined)
  if (refused) throw new Error(`an item was refused: ${JSON.stringify(refused.problem)}`)
}

/** A job that does nothing and runs once, in a day. */
function oneShotInADay(index: number) {
  const runAt = new Date(Date.now() + 86_400_000 + index).toISOString()
  return { jobType: 'DUMMY', params: { durationMs: 0 }, runAt }
}

/** Work of `n` items in calls of `batch` by `callers`; resolves to how long it took, milliseconds. */
async function inBatches(
  n: number,
  batch: number,
  callers: number,
  send: (first: number, size: number) => Promise<void>,
): Promise<number> {
  const begun = performance.now()
  await inParallel(Math.ceil(n / batch), callers, (index) => {
    const first = index * batch
    return send(first, Math.min(batch, n - first))
  })
  return performance.now() - begun
}

/** Stores `n` one-shots, `batch` a call; resolves to the milliseconds until all are acknowledged. */
export function storeBatches(client: Client, n: number, batch: number, callers: number): Promise<number> {
  return inBatches(n, batch, callers, async (first, size) => {
    const body = Array.from({ length: size }, (_, at) => oneShotInADay(first + at))
    assertTaken((await client.request('post', '/jobs/batch', { body, headers: minimal })).body.results)
  })
}

/** Triggers the jobs `n` times in turn, `batch` a call; resolves to the milliseconds until all are acknowledged. */
export function triggerBatches(
  client: Client,
  ids: readonly string[],
  n: number,
  batch: number,
  callers: number,
): Promise<number> {
  return inBatches(n, batch, callers, async (first, size) => {
    const body = Array.from({ length: size }, (_, at) => ({ jobId: ids[(first + at) % ids.length] ?? '' }))
    assertTaken((await client.request('post', '/triggers/batch', { body, headers: minimal })).body.results)
  })
}

/** Stores `n` one-shots by callers that each wait for their own; resolves to the milliseconds it took and to each wait. */
export async function storeAwaiting(
  client: Client,
  n: number,
  callers: number,
): Promise<{ readonly tookMs: number; readonly waitsMs: readonly number[] }> {
  const waitsMs: number[] = []
  const begun = performance.now()
  await inParallel(n, callers, async (index) => {
    const sentAt = performance.now()
    await client.jobs.create(oneShotInADay(index))
    waitsMs.push(performance.now() - sentAt)
  })
  return { tookMs: performance.now() - begun, waitsMs }
}
