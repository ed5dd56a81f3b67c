import { randomUUID } from 'node:crypto'
import type { Caller } from '../caller.ts'
import { preciseNow } from '../target.ts'

/** What is to become of a request that was answered 2xx. */
type Purpose = 'once' | 'expires' | 'hold' | 'fails' | 'report' | 'every-second' | 'cancelled' | 'trigger'

/** A request that was made, with what was answered; null when no answer came. */
export interface Entry {
  readonly purpose: Purpose
  readonly path: string
  readonly body: Record<string, unknown>
  /** Its Idempotency-Key: a caller without an answer asks again with the same one. */
  readonly key: string
  /** Where its calls go, when they go to the target. */
  readonly targetPath: string | null
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

export type Wish = Pick<Entry, 'purpose' | 'path' | 'body'> & { targetPath?: string }

/** Sends a request and writes its answer down; a process that dies under it answers nothing. */
export async function ask(user: Caller, ledger: Ledger, wish: Wish): Promise<Entry> {
  const entry: Entry = { targetPath: null, ...wish, key: randomUUID(), answer: null }
  ledger.entries.push(entry)
  await askAgain(user, entry)
  return entry
}

/** The same request with the same key. Throws when it is answered with a refusal. */
export async function askAgain(user: Caller, entry: Entry): Promise<void> {
  const headers = { 'idempotency-key': entry.key }
  const answer = await user.call<{ id: string }>('POST', entry.path, entry.body, headers).catch(() => null)
  if (!answer) return
  if (answer.status >= 300) throw new Error(`${entry.path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  entry.answer = answer.body
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
