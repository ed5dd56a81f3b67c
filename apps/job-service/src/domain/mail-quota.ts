import { hash } from 'node:crypto'

/** The mails of one key (a user, an address): when all of its quota is back, epoch milliseconds. */
export interface MailCount {
  readonly id: string
  readonly backAt: number
  /** Every write raises it; 0 for a record that is not stored. */
  readonly rev: number
}

/** So many mails in a window, milliseconds. All may be sent at once, and come back evenly (the generic cell rate algorithm). */
export interface MailQuota {
  readonly most: number
  readonly windowMs: number
}

/** The count after one more mail; or how long to wait for room, milliseconds. */
export type MailTaken =
  | { readonly kind: 'taken'; readonly next: MailCount }
  | { readonly kind: 'wait'; readonly waitMs: number }

/** A count that a clock has set too far ahead is no longer than its window. */
const sinceNow = ({ backAt }: MailCount, now: number, { windowMs }: MailQuota) =>
  Math.min(Math.max(backAt, now), now + windowMs)

export function takeMail(known: MailCount, now: number, quota: MailQuota): MailTaken {
  const eachMs = quota.windowMs / quota.most
  const next = sinceNow(known, now, quota) + eachMs
  const waitMs = Math.ceil(next - now - quota.windowMs)
  if (waitMs > 0) return { kind: 'wait', waitMs }
  return { kind: 'taken', next: { ...known, backAt: Math.round(next), rev: known.rev + 1 } }
}

/** How many mails of the quota are used up. */
export function mailsUsed(known: MailCount, now: number, quota: MailQuota): number {
  return Math.round((sinceNow(known, now, quota) - now) / (quota.windowMs / quota.most))
}

/** `user+anything@Host` is the same mailbox as `user@host` for most providers, and counts as one address. */
export function addressKey(address: string): string {
  const at = address.lastIndexOf('@')
  const [box = ''] = address.slice(0, at).split('+', 1)
  return `${box}@${address.slice(at + 1)}`.toLowerCase()
}

/** The ids of counts. An address is no part of its id: it belongs to a person who may not know of this Belfry. */
export const mailCountIds = {
  ofUser: (userId: string) => `user ${userId}`,
  toAddress: (address: string) => `address ${hash('sha256', addressKey(address), 'hex')}`,
  codesTo: (address: string) => `code ${hash('sha256', addressKey(address), 'hex')}`,
} as const
