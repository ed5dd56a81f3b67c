import { hash } from 'node:crypto'
import type { deliveryStatuses, NotificationMessage } from '@belfry/contracts'

/** A message of a notification on its way. Times are epoch milliseconds. */
export interface Delivery {
  /** The same for the same notification and event, so that an event that is seen again makes no second message. */
  readonly id: string
  readonly ownerId: string
  readonly notificationId: string
  readonly jobId: string | null
  readonly message: NotificationMessage
  readonly status: (typeof deliveryStatuses)[number]
  /** Attempts that have begun. */
  readonly attempts: number
  /** When the next attempt is due, or the lease of the one at work ends; null once it has ended. */
  readonly nextAt: number | null
  readonly createdAt: number
  readonly endedAt: number | null
  readonly lastStatus: number | null
  readonly lastError: string | null
  /** Every write raises it. */
  readonly rev: number
}

const minute = 60_000
const hour = 60 * minute

/** Waits after each failed attempt but the last one (Standard Webhooks, "Deliverability and reliability"), milliseconds. */
const retryWaitsMs: readonly number[] = [5_000, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 10 * hour]
/** A wait is longer by up to this part of it, so that messages that failed together do not come again together. */
const jitter = 0.2
/** Longest reason that is stored, characters. */
const longestError = 500

/** The id of the delivery of an event by a notification. */
export function deliveryIdOf(notificationId: string, event: string): string {
  const digits = hash('sha256', `${notificationId} ${event}`, 'hex')
  const parts = [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20)]
  return `dlv-${parts.join('-')}-${digits.slice(20, 32)}`
}

export interface DeliveryDraft extends Pick<Delivery, 'id' | 'ownerId' | 'notificationId' | 'jobId' | 'message'> {
  readonly now: number
}

export function newDelivery({ now, ...about }: DeliveryDraft): Delivery {
  const open = { status: 'pending', attempts: 0, nextAt: now, endedAt: null } as const
  return { ...about, ...open, createdAt: now, lastStatus: null, lastError: null, rev: 1 }
}

/** How an attempt ended. `interrupted`: this process stops. `gone`: the target wants no more messages. */
export type AttemptResult =
  | { readonly kind: 'delivered'; readonly status: number | null }
  | {
      readonly kind: 'failed'
      readonly status: number | null
      readonly error: string
      /** How long the target asks to wait, milliseconds; null where it does not. */
      readonly retryAfterMs: number | null
    }
  | { readonly kind: 'gone'; readonly status: number; readonly error: string }
  | { readonly kind: 'interrupted' }
  /** A quota of mails is used up; `until`: epoch milliseconds. */
  | { readonly kind: 'postponed'; readonly until: number }

/** The delivery at the start of an attempt; no other process tries it until the lease ends. */
export function claimed(delivery: Delivery, leaseUntil: number): Delivery {
  return { ...delivery, attempts: delivery.attempts + 1, nextAt: leaseUntil, rev: delivery.rev + 1 }
}

function ended(delivery: Delivery, status: Delivery['status'], now: number): Delivery {
  return { ...delivery, status, nextAt: null, endedAt: now, rev: delivery.rev + 1 }
}

/** The delivery after an attempt. `random` from 0 up to 1. */
export function afterAttempt(delivery: Delivery, result: AttemptResult, now: number, random: number): Delivery {
  if (result.kind === 'interrupted' || result.kind === 'postponed') {
    const nextAt = result.kind === 'postponed' ? result.until : now
    return { ...delivery, attempts: delivery.attempts - 1, nextAt, rev: delivery.rev + 1 }
  }
  if (result.kind === 'delivered')
    return { ...ended(delivery, 'delivered', now), lastStatus: result.status, lastError: null }
  const tried = { ...delivery, lastStatus: result.status, lastError: result.error.slice(0, longestError) }
  const waitMs = retryWaitsMs[delivery.attempts - 1]
  if (result.kind === 'gone' || waitMs === undefined) return ended(tried, 'failed', now)
  const spreadMs = Math.floor(waitMs * (1 + jitter * random))
  return { ...tried, nextAt: now + Math.max(spreadMs, result.retryAfterMs ?? 0), rev: delivery.rev + 1 }
}

/** A delivery that is given up without a further attempt. */
export function dropped(delivery: Delivery, why: string, now: number): Delivery {
  return { ...ended(delivery, 'dropped', now), lastError: why }
}

/** A delivery that its owner wants to be sent once more, with attempts from the first one on. */
export function redelivered(delivery: Delivery, now: number): Delivery {
  const open = { status: 'pending', attempts: 0, nextAt: now, endedAt: null } as const
  return { ...delivery, ...open, rev: delivery.rev + 1 }
}
