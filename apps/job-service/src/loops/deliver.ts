import type { Clock, Logger } from '@belfry/service'
import type { WorkShare } from '@belfry/storage'
import type { Mailer } from '../clients/mail.ts'
import type { Webhooks } from '../clients/webhooks.ts'
import { codePurposeOf, whyDropped } from '../domain/confirmation.ts'
import { type AttemptResult, afterAttempt, claimed, type Delivery, dropped } from '../domain/delivery.ts'
import { codeMailOf, mailOf } from '../domain/message.ts'
import { disabledAsGone, keyPurposeOf, keysAt, type Notification, type StoredTarget } from '../domain/notification.ts'
import type { Sealer } from '../domain/sealing.ts'
import { webhookHeaders } from '../domain/webhook.ts'
import type { DueCursor, Stores } from '../store/ports.ts'
import type { MailQuotas } from '../use-cases/mail-quotas.ts'

type MailTarget = Extract<StoredTarget, { readonly type: 'email' }>

export interface DeliverOptions {
  readonly stores: Pick<Stores, 'notifications' | 'deliveries'>
  readonly clock: Clock
  readonly log: Logger
  readonly sealer: Sealer
  readonly webhooks: Webhooks
  /** Null where no mail server is set. */
  readonly mailer: Mailer | null
  readonly mailQuotas: Pick<MailQuotas, 'take'>
  readonly share: () => WorkShare
  /** From 0 up to 1. */
  readonly random: () => number
  /** Counts attempts by how they ended. */
  readonly onAttempt: (result: AttemptResult['kind']) => void
  readonly rows: number
  /** Messages that are sent at a time, of one user, and to one target. */
  readonly limits: { readonly total: number; readonly ofOwner: number; readonly ofTarget: number }
  readonly leaseMs: number
}

/** Sends messages that are due. */
export interface Deliver {
  /**
   * Looks at the next page of what is due, and begins to send as much of it as the limits allow; a page of messages to slow targets
   * stops no page behind it. Answers true when there may be more to send at once.
   */
  runOnce(): Promise<boolean>
  /** Ends what is being sent; it is due again at once. */
  stop(): Promise<void>
}

/** How long a stop waits for mails, which cannot be ended, milliseconds; their lease then has to end. */
const stopMs = 3000

const failed = async (error: string): Promise<AttemptResult> => ({
  kind: 'failed',
  ...{ status: null, error, retryAfterMs: null },
})

export function createDeliver(options: DeliverOptions): Deliver {
  const { stores, clock, log, sealer, webhooks, mailer, mailQuotas, share, random, onAttempt, rows, limits, leaseMs } =
    options
  const { deliveries, notifications } = stores
  const stopping = new AbortController()
  const sending = new Set<Promise<void>>()
  const counts = new Map<string, number>()
  let after: DueCursor | null = null

  const count = (key: string, by: number) => {
    const next = (counts.get(key) ?? 0) + by
    if (next === 0) counts.delete(key)
    else counts.set(key, next)
  }
  const keysOf = ({ ownerId, notificationId }: Delivery) => [`of ${ownerId}`, `to ${notificationId}`] as const

  function hasRoom(delivery: Delivery): boolean {
    const [owner, target] = keysOf(delivery)
    const within = (key: string, most: number) => (counts.get(key) ?? 0) < most
    return sending.size + reserved < limits.total && within(owner, limits.ofOwner) && within(target, limits.ofTarget)
  }
  /** Messages that are being claimed. */
  let reserved = 0

  async function sendMail(
    delivery: Delivery,
    { id, ownerId }: Notification,
    target: MailTarget,
  ): Promise<AttemptResult> {
    const { to, confirmation } = target
    if (!mailer) return failed('No mail server is set.')
    let content = mailOf(delivery.message)
    if (confirmation) {
      try {
        content = codeMailOf(delivery.message, sealer.open(confirmation.sealedCode, codePurposeOf({ id, ownerId })))
      } catch (err) {
        log.warn({ err, notificationId: id }, 'the code of an address cannot be opened')
        return failed('The stored code of the address cannot be opened: ask for another one.')
      }
    }
    const until = await mailQuotas.take({ ownerId, to, isCode: confirmation !== undefined })
    if (until !== null) return { kind: 'postponed', until }
    return mailer.send({ to, id: delivery.id, ...content })
  }

  async function attempt(delivery: Delivery, notification: Notification): Promise<AttemptResult> {
    const { id, ownerId, target } = notification
    if (target.type === 'email') return sendMail(delivery, notification, target)
    const at = clock.now()
    const body = JSON.stringify(delivery.message)
    let keys: readonly string[]
    try {
      keys = keysAt(target.keys, at).map(({ sealed }) => sealer.open(sealed, keyPurposeOf({ id, ownerId })))
    } catch (err) {
      log.warn({ err, notificationId: id }, 'the key of a webhook cannot be opened')
      return failed('The stored key of the webhook cannot be opened: give it a new one.')
    }
    const headers = webhookHeaders({ id: delivery.id, at, body }, keys)
    return webhooks.post({ ownerId, url: target.url, headers, body, signal: stopping.signal })
  }

  async function settle(before: Delivery, next: Delivery): Promise<void> {
    await deliveries.compareAndSetMany([{ before, next }])
  }

  async function send(delivery: Delivery): Promise<void> {
    const notification = await notifications.find(delivery.ownerId, delivery.notificationId)
    const why = whyDropped(notification, delivery.message.type, clock.now())
    if (!notification || why !== null) return settle(delivery, dropped(delivery, why ?? '', clock.now()))
    const result = await attempt(delivery, notification)
    onAttempt(result.kind)
    const next = afterAttempt(delivery, result, clock.now(), random())
    await settle(delivery, next)
    if (next.status === 'failed') {
      const { id, ownerId, attempts, lastError } = next
      log.warn({ deliveryId: id, ownerId, attempts, reason: lastError }, 'a message could not be delivered')
    }
    if (result.kind !== 'gone') return
    await notifications.compareAndSet({ before: notification, next: disabledAsGone(notification, clock.now()) })
  }

  function begin(delivery: Delivery): void {
    const work = send(delivery)
      .catch((err: unknown) => log.warn({ err, deliveryId: delivery.id }, 'a message is tried again after its lease'))
      .finally(() => {
        sending.delete(work)
        for (const key of keysOf(delivery)) count(key, -1)
      })
    sending.add(work)
  }

  async function claim(due: readonly Delivery[]): Promise<void> {
    const taken: Delivery[] = []
    for (const one of due) {
      if (!hasRoom(one)) continue
      for (const key of keysOf(one)) count(key, 1)
      reserved += 1
      taken.push(one)
    }
    if (taken.length === 0) return
    const swaps = taken.map((before) => ({ before, next: claimed(before, clock.now() + leaseMs) }))
    let isClaimed: readonly boolean[] = []
    try {
      isClaimed = await deliveries.compareAndSetMany(swaps)
    } finally {
      reserved -= taken.length
      for (const [index, { before, next }] of swaps.entries()) {
        if (isClaimed[index]) begin(next)
        else for (const key of keysOf(before)) count(key, -1)
      }
    }
  }

  return {
    async runOnce() {
      if (stopping.signal.aborted || sending.size >= limits.total) return false
      const page = await deliveries.listDue(clock.now(), rows, share(), after)
      after = page.next
      await claim(page.rows)
      return page.next !== null && sending.size < limits.total
    },
    async stop() {
      stopping.abort()
      const late = Promise.withResolvers<void>()
      const timer = clock.callAfter(stopMs, late.resolve)
      await Promise.race([Promise.all(sending), late.promise])
      timer.cancel()
    },
  }
}
