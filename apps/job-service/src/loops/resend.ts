import { backoffMs, type Clock } from '@belfry/service'
import type { DueSend, ExecutionStore, PageBounds } from '../domain/ports.ts'
import { createRepeated } from './repeated.ts'
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
 * doubling to 60 s, and at once for what a process before this one has left. The process that moves the row's next time
 * sends. Answers true when there may be more.
 */
export function createResend(options: ResendOptions): () => Promise<boolean> {
  const { executions, sender, clock, page, firstMs, mostMs } = options
  const read = (until: number, after: DueSend | null) => executions.dueSends(until, page, after)
  const next = createRepeated({ read, clock, waits: { firstMs, mostMs } })
  return async () => {
    const { due, isMore } = await next()
    if (due.length === 0) return isMore
    const now = clock.now()
    const claims = due.map((send) => ({ send, nextSendAt: now + backoffMs(send.tries + 1, firstMs, mostMs) }))
    const claimed = await executions.claimSends(claims)
    const isSent = await sender.publish(claimed.map((send) => send.command))
    return isSent && isMore
  }
}
