import { type Refusal, refusal } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { type MailCount, type MailQuota, mailCountIds, mailsUsed, takeMail } from '../domain/mail-quota.ts'
import type { MailCountStore } from '../store/notification-ports.ts'

export interface MailQuotasOptions {
  readonly store: MailCountStore
  readonly clock: Pick<Clock, 'now'>
  /** Mails of one user in an hour. */
  readonly perHour: number
  /** Mails to one address, and codes that confirm it, in a day, of all users together. */
  readonly toAddressPerDay: number
  readonly codesPerDay: number
}

interface CountedMail {
  readonly ownerId: string
  readonly to: string
  /** Whether it brings the code that confirms the address. */
  readonly isCode: boolean
}

/** Bounds mails by user and by address, over restarts and over all instances of job-service. */
export interface MailQuotas {
  /**
   * Counts a mail that is about to be sent. Null: it may be; else when it may be tried again, epoch milliseconds. Beside other mails at
   * the same moment one that has to wait may have used up room of its user.
   */
  take(mail: CountedMail): Promise<number | null>
  /** The refusal of a mail that a user asks for beyond the quota of an hour; undefined while there is room. */
  check(ownerId: string): Promise<Refusal | undefined>
  /** Mails of the hour that a user has used up. */
  usedBy(ownerId: string): Promise<{ readonly used: number; readonly limit: number }>
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** How often a count is tried on what is stored then, and the wait when others change it all the time, milliseconds. */
const tries = 5
const racedMs = 1000

export function createMailQuotas(options: MailQuotasOptions): MailQuotas {
  const { store, clock, perHour, toAddressPerDay, codesPerDay } = options
  const quotas = {
    ofUser: { most: perHour, windowMs: hourMs },
    toAddress: { most: toAddressPerDay, windowMs: dayMs },
    codes: { most: codesPerDay, windowMs: dayMs },
  } as const

  const read = async (id: string): Promise<MailCount> => (await store.find(id)) ?? { id, backAt: 0, rev: 0 }

  const waitOf = async (id: string, quota: MailQuota): Promise<number> => {
    const taken = takeMail(await read(id), clock.now(), quota)
    return taken.kind === 'wait' ? taken.waitMs : 0
  }

  /** How long to wait, milliseconds; 0: it is counted. */
  const takeOne = async (id: string, quota: MailQuota): Promise<number> => {
    for (let left = tries; left > 0; left -= 1) {
      const before = await read(id)
      const taken = takeMail(before, clock.now(), quota)
      if (taken.kind === 'wait') return taken.waitMs
      if (await store.compareAndSet({ before, next: taken.next })) return 0
    }
    return racedMs
  }

  return {
    async take({ ownerId, to, isCode }) {
      const counts: [id: string, quota: MailQuota][] = [
        [mailCountIds.ofUser(ownerId), quotas.ofUser],
        [mailCountIds.toAddress(to), quotas.toAddress],
        ...(isCode ? [[mailCountIds.codesTo(to), quotas.codes] as [string, MailQuota]] : []),
      ]
      // Looked at together first, so that a mail that waits for one quota does not use up another.
      const waits = await Promise.all(counts.map(([id, quota]) => waitOf(id, quota)))
      const longest = Math.max(...waits)
      if (longest > 0) return clock.now() + longest
      for (const [id, quota] of counts) {
        const waitMs = await takeOne(id, quota)
        if (waitMs > 0) return clock.now() + waitMs
      }
      return null
    },
    async check(ownerId) {
      const waitMs = await waitOf(mailCountIds.ofUser(ownerId), quotas.ofUser)
      if (waitMs === 0) return undefined
      return refusal('quota-exceeded', `at most ${perHour} mails of one user are sent in an hour`, {
        retryAfterS: Math.ceil(waitMs / 1000),
      })
    },
    async usedBy(ownerId) {
      const known = await read(mailCountIds.ofUser(ownerId))
      return { used: mailsUsed(known, clock.now(), quotas.ofUser), limit: perHour }
    },
  }
}
