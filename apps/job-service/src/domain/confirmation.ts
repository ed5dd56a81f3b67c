import { timingSafeEqual } from 'node:crypto'
import type { Notification } from './notification.ts'

/** What is open of an address that has not been confirmed. */
export interface Confirmation {
  /** The code that was sent there, sealed (domain/sealing.ts). */
  readonly sealedCode: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/** Without what is easily taken for another character. */
const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
/** 80 bits: it cannot be guessed by calls, so wrong ones are not counted. */
export const codeLength = 16

/** A code such as `ABCD-EFGH-JKLM-NPQR` of so many random bytes as it has characters. */
export function codeOf(random: Uint8Array): string {
  const text = Array.from(random, (byte) => alphabet[byte % alphabet.length]).join('')
  return (text.match(/.{4}/g) ?? []).join('-')
}

/** What the code of a notification is sealed for. */
export function codePurposeOf({ id, ownerId }: Pick<Notification, 'id' | 'ownerId'>): string {
  return `mail code ${ownerId} ${id}`
}

const plain = (code: string) => Buffer.from(code.toUpperCase().replace(/[^A-Z0-9]/g, ''))

/** Whether a user gave the right code, in a time that shows nothing of it. Case and separators do not count. */
export function isSameCode(given: string, code: string): boolean {
  const [one, other] = [plain(given), plain(code)]
  return one.length === other.length && timingSafeEqual(one, other)
}

/** The type of the message that brings a code. */
export const confirmationType = 'notification.confirm'
export const testType = 'notification.test'

/** Why a message is not sent any more, as a sentence; null where it is. */
export function whyDropped(notification: Notification | undefined, type: string, now: number): string | null {
  if (!notification) return 'The notification was deleted.'
  const { target, enabled } = notification
  const open = target.type === 'email' ? target.confirmation : undefined
  if (type === confirmationType) {
    if (!open) return 'The address is confirmed, or is no longer the target.'
    return now < open.expiresAt ? null : 'The code has expired.'
  }
  if (!enabled && type !== testType) return 'The notification is disabled.'
  return open ? 'The address is not confirmed.' : null
}
