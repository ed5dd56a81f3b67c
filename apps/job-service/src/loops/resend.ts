import { type Clock, doubledMs } from '@belfry/service'
import { dueUntil } from '../domain/due.ts'
import type { ExecutionStore, PageBounds } from '../domain/ports.ts'
import type { Sender } from './sender.ts'

export interface ResendOptions {
  readonly executions: ExecutionStore
  readonly sender: Sender
  readonly clock: Clock
  readonly page: PageBounds
  /** Wait before the first repetition, and the longest one, milliseconds. */
  readonly firstMs: number
  readonly mostMs: number
}

/**
 * One turn of sending triggers again that no job-status has answered (protocol.md, step 7): 5 s after the first time,
 * doubling to 60 s, and at once for what a process before this one has left. Whoever moves the row's next time sends.
 * Answers true when there may be more.
 */
export function createResend(options: ResendOptions): () => Promise<boolean> {
  const { executions, sender, clock, page, firstMs, mostMs } = options
  let startedAt: number | null = clock.now()
  return async () => {
    const now = clock.now()
    const { rows: due, hasMore } = await executions.dueSends(dueUntil(now, startedAt, firstMs), page)
    if (!hasMore) startedAt = null
    if (due.length === 0) return false
    const claims = due.map((send) => ({ send, nextSendAt: now + doubledMs(send.tries + 1, firstMs, mostMs) }))
    const claimed = await executions.claimSends(claims)
    const isSent = await sender.publish(claimed.map((send) => send.command))
    return isSent && hasMore
  }
}
