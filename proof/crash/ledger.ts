import { randomUUID } from 'node:crypto'
import type { Caller } from '../caller.ts'
import { preciseNow } from '../target.ts'

/** What is to become of a request that was answered 2xx. */
type Purpose = 'once' | 'expires' | 'hold' | 'fails' | 'report' | 'every-second' | 'cancelled' | 'trigger'

/** A request that was made, with what was answered; null when no answer came. */
export interface Entry {
  readonly purpose: Purpose
  readonly path: string
  readonly body: Record<string, unknown> | readonly Record<string, unknown>[]
  /** Its Idempotency-Key: a caller without an answer asks again with the same one. */
  readonly key: string
  /** Where its calls go, when they go to the target. */
  readonly targetPath: string | null
  /** Which item of a batch it is; null for a request of its own. */
  readonly item: number | null
  answer: { id: string; jobId?: string; createdAt?: string } | null
}

interface Cancel {
  readonly jobId: string
  readonly answeredAt: number
  readonly inFlight: readonly string[]
}

/** The record that the users of a proof keep, apart from Belfry's own. */
export interface Ledger {
  readonly entries: Entry[]
  readonly cancels: Cancel[]
}

export type Wish = Pick<Entry, 'purpose' | 'path'> & { body: Record<string, unknown>; targetPath?: string }

/** Sends a request and writes its answer down; a process that dies under it answers nothing. */
export async function ask(user: Caller, ledger: Ledger, wish: Wish): Promise<Entry> {
  const entry: Entry = { targetPath: null, item: null, ...wish, key: randomUUID(), answer: null }
  ledger.entries.push(entry)
  await askAgain(user, entry)
  return entry
}

/** Sends all of them in one call to `path`; each is an entry of its own, which asks again with the whole batch. */
export async function askBatch(user: Caller, ledger: Ledger, path: string, wishes: readonly Wish[]): Promise<void> {
  const common = { path, body: wishes.map(({ body }) => body), key: randomUUID(), answer: null }
  const entries = wishes.map((wish, item): Entry => ({ targetPath: null, ...wish, ...common, item }))
  ledger.entries.push(...entries)
  const body = await send<BatchReply>(user, entries[0] as Entry)
  if (body) for (const entry of entries) entry.answer = answerOf(body, entry)
}

interface BatchReply {
  readonly results: readonly { readonly job?: Entry['answer']; readonly execution?: Entry['answer'] }[]
}

function answerOf({ results }: BatchReply, { item }: Entry): Entry['answer'] {
  const result = results[item ?? 0]
  return result?.job ?? result?.execution ?? null
}

/** Null when no answer came. Throws at a refusal. */
async function send<T>(user: Caller, { path, body, key }: Entry): Promise<T | null> {
  const answer = await user.call<T>('POST', path, body, { 'idempotency-key': key }).catch(() => null)
  if (answer && answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer?.body ?? null
}

/** The same request with the same key. Throws when it is answered with a refusal. */
export async function askAgain(user: Caller, entry: Entry): Promise<void> {
  const body = await send<{ id: string } & BatchReply>(user, entry)
  if (body) entry.answer = entry.item === null ? body : answerOf(body, entry)
}

export async function cancel(user: Caller, ledger: Ledger, { answer }: Entry): Promise<void> {
  if (!answer) return
  const reply = await user
    .call<{ inFlight: { executionId: string }[] }>('POST', `/jobs/${answer.id}/cancel`)
    .catch(() => null)
  if (reply?.status !== 200) return
  const inFlight = reply.body.inFlight.map(({ executionId }) => executionId)
  ledger.cancels.push({ jobId: answer.id, answeredAt: preciseNow(), inFlight })
}
