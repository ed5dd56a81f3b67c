import type { NotificationEvent } from '@belfry/contracts'
import type { Confirmation } from './confirmation.ts'

/** A key of a webhook, sealed (domain/sealing.ts). */
export interface WebhookKey {
  readonly sealed: string
  /** Until when it signs, epoch milliseconds; null: it is the newest one. */
  readonly until: number | null
}

export type StoredTarget =
  | { readonly type: 'webhook'; readonly url: string; readonly keys: readonly WebhookKey[] }
  | {
      readonly type: 'email'
      readonly to: string
      /** Until the address is confirmed. Left out once it is, and in records of versions that confirmed none. */
      readonly confirmation?: Confirmation
    }

/** What a user gets messages about, and where. Times are epoch milliseconds. */
export interface Notification {
  readonly id: string
  readonly ownerId: string
  readonly name: string
  readonly on: readonly NotificationEvent[]
  /** The only job, or the tag of the jobs; both null: all jobs of the owner. */
  readonly jobId: string | null
  readonly tag: string | null
  readonly target: StoredTarget
  readonly enabled: boolean
  readonly disabledReason: string | null
  readonly createdAt: number
  readonly updatedAt: number
  /** Every write raises it. */
  readonly rev: number
}

interface AboutJob {
  readonly id: string
  readonly ownerId: string
  readonly spec: { readonly tags: readonly string[] }
}

/** Whether an event of a job is to be reported. */
export function isReported(
  notification: Notification,
  event: NotificationEvent,
  { id, ownerId, spec }: AboutJob,
): boolean {
  const { jobId, tag, on, enabled } = notification
  if (!enabled || notification.ownerId !== ownerId || !on.includes(event)) return false
  return (jobId === null || jobId === id) && (tag === null || spec.tags.includes(tag))
}

/** What the keys of a webhook are sealed for. */
export function keyPurposeOf({ id, ownerId }: Pick<Notification, 'id' | 'ownerId'>): string {
  return `webhook ${ownerId} ${id}`
}

/** The keys after a rotation: the newest one before signs on for `overlapMs`, older ones do not. */
export function rotatedKeys(keys: readonly WebhookKey[], sealed: string, now: number, overlapMs: number): WebhookKey[] {
  const before = keys.find(({ until }) => until === null)
  return [{ sealed, until: null }, ...(before ? [{ ...before, until: now + overlapMs }] : [])]
}

/** With its keys sealed anew, where `reseal` gives another text; the very same one when none is. */
export function resealed(notification: Notification, reseal: (sealed: string) => string | null): Notification {
  const { target, rev } = notification
  if (target.type !== 'webhook') return notification
  const keys = target.keys.map((key) => ({ ...key, sealed: reseal(key.sealed) ?? key.sealed }))
  const isSame = keys.every(({ sealed }, index) => sealed === target.keys[index]?.sealed)
  return isSame ? notification : { ...notification, target: { ...target, keys }, rev: rev + 1 }
}

/** The keys that sign at a moment, the newest first. */
export function keysAt(keys: readonly WebhookKey[], now: number): readonly WebhookKey[] {
  return keys.filter(({ until }) => until === null || until > now)
}

/** The target has said that it is gone: nothing is sent any more until the owner enables it again. */
export function disabledAsGone(notification: Notification, now: number): Notification {
  const disabledReason = 'The target answered 410 (gone).'
  return { ...notification, enabled: false, disabledReason, updatedAt: now, rev: notification.rev + 1 }
}
