import {
  type CreateNotificationBody,
  isRefusal,
  type NotificationTarget,
  type PatchNotificationBody,
  type Refusal,
  refusal,
} from '@belfry/contracts'
import { type Delivery, deliveryIdOf, newDelivery, redelivered } from '../domain/delivery.ts'
import { testMessage } from '../domain/message.ts'
import { keyPurposeOf, type Notification, rotatedKeys, type StoredTarget } from '../domain/notification.ts'
import type { Caller } from '../domain/reach.ts'
import { isWebhookKey, webhookKeyBytes, webhookKeyText } from '../domain/webhook.ts'
import {
  changeNotification,
  type NotificationContext,
  noSuchNotification,
  type WithKey,
} from './change-notification.ts'
import { hasConfirmed, notConfirmed, sendOpenCode, unconfirmed } from './confirm-address.ts'
import type { JobContext } from './context.ts'
import { findJob } from './find-job.ts'
import { dropBeyond } from './report.ts'

const noSuchDelivery = refusal('not-found', 'there is no such delivery')

const impossible = (pointer: string, code: string, detail: string): Refusal =>
  refusal('impossible', 'the notification cannot be stored as it is', { errors: [{ pointer, code, detail }] })

const noMail = impossible('/target/type', 'no-mail-server', 'mails need BELFRY_SMTP_URL, which is not set')

/** Null where mails may be sent to the address. */
function checkMail({ config }: Pick<JobContext, 'config'>, to: string): Refusal | null {
  const { smtpUrl, smtpDomains } = config
  if (smtpUrl === undefined) return noMail
  const domain = to.split('@').at(-1)?.toLowerCase() ?? ''
  if (smtpDomains === undefined || smtpDomains.includes(domain)) return null
  return impossible('/target/to', 'not-allowed', `mails go to ${smtpDomains.join(', ')} only (BELFRY_SMTP_DOMAINS)`)
}

const badKey = refusal('malformed-request', 'The request does not fit what this address takes.', {
  errors: [{ pointer: '/target/secret', code: 'bad-format', detail: 'must be "whsec_" and 24 to 64 bytes in Base64' }],
})

/** The address of a mail; it has to be confirmed first, unless the user has confirmed it for another notification. */
async function readAddress(
  context: NotificationContext,
  about: Pick<Notification, 'id' | 'ownerId'>,
  to: string,
  known: StoredTarget | null,
): Promise<StoredTarget | Refusal> {
  const refused = checkMail(context, to)
  if (refused) return refused
  if (known?.type === 'email' && known.to === to) return known
  return (await hasConfirmed(context, about.ownerId, to)) ? { type: 'email', to } : unconfirmed(context, about, to)
}

/** The target as it is stored; `known`: the keys that stay where the body brings none. */
async function readTarget(
  context: NotificationContext,
  about: Pick<Notification, 'id' | 'ownerId'>,
  target: NotificationTarget,
  known: StoredTarget | null,
): Promise<{ readonly target: StoredTarget; readonly key: string | null } | Refusal> {
  if (target.type === 'email') {
    const address = await readAddress(context, about, target.to, known)
    return isRefusal(address) ? address : { target: address, key: null }
  }
  const { url, secret } = target
  if (secret === undefined && known?.type === 'webhook')
    return { target: { type: 'webhook', url, keys: known.keys }, key: null }
  if (secret !== undefined && !isWebhookKey(secret)) return badKey
  const key = secret ?? webhookKeyText(context.randomBytes(webhookKeyBytes))
  const sealed = context.sealer.seal(key, keyPurposeOf(about))
  return { target: { type: 'webhook', url, keys: [{ sealed, until: null }] }, key }
}

type Scope = Pick<Notification, 'jobId' | 'tag'>

/** Which jobs a body chooses; null where it has none of the fields. */
async function readScope(
  context: NotificationContext,
  caller: Caller,
  { jobId, key, tag }: Pick<PatchNotificationBody, 'jobId' | 'key' | 'tag'>,
): Promise<Scope | Refusal | null> {
  if (jobId === undefined && key === undefined && tag === undefined) return null
  const ref = jobId ?? key
  if (ref === undefined || ref === null) return { jobId: null, tag: tag ?? null }
  const job = await findJob(context, caller, ref, 'change')
  if (!isRefusal(job)) return { jobId: job.id, tag: null }
  const pointer = jobId === undefined || jobId === null ? '/key' : '/jobId'
  return impossible(pointer, 'unknown-job', 'there is no such job of yours')
}

/** `POST /notifications`. `id`: the same in every try of one request. */
export async function createNotification(
  context: NotificationContext,
  caller: Caller,
  id: string,
  body: CreateNotificationBody,
): Promise<WithKey | Refusal> {
  const { stores, clock, config } = context
  const about = { id, ownerId: caller.userId }
  const scope = await readScope(context, caller, body)
  if (isRefusal(scope)) return scope
  const read = await readTarget(context, about, body.target, null)
  if (isRefusal(read)) return read
  const { name, on, enabled } = body
  const times = { createdAt: clock.now(), updatedAt: clock.now() }
  const chosen = { jobId: scope?.jobId ?? null, tag: scope?.tag ?? null }
  const rest = { target: read.target, enabled, disabledReason: null, ...times, rev: 1 }
  const notification: Notification = { ...about, name, on: [...new Set(on)], ...chosen, ...rest }
  const stored = await stores.notifications.create(notification, config.jobMostNotifications)
  if (stored === 'stored') {
    await sendOpenCode(context, notification)
    return { notification, key: read.key }
  }
  const detail = `a user may have ${config.jobMostNotifications} notifications: delete those that are not needed`
  return refusal('quota-exceeded', detail)
}

/** `PATCH /notifications/:id`. */
export async function patchNotification(
  context: NotificationContext,
  caller: Caller,
  id: string,
  body: PatchNotificationBody,
): Promise<WithKey | Refusal> {
  const scope = await readScope(context, caller, body)
  if (isRefusal(scope)) return scope
  let addressBefore: string | null = null
  const made = await changeNotification(context, caller.userId, id, async (before) => {
    addressBefore = before.target.type === 'email' ? before.target.to : null
    const { name = before.name, on = before.on, enabled = before.enabled } = body
    const read = body.target === undefined ? before : await readTarget(context, before, body.target, before.target)
    if (isRefusal(read)) return read
    const disabledReason = enabled ? null : before.disabledReason
    const chosen = { ...before, name, on: [...new Set(on)], ...scope, target: read.target, enabled, disabledReason }
    return { notification: chosen, key: 'key' in read ? read.key : null }
  })
  if (isRefusal(made)) return made
  const { target } = made.notification
  if (target.type === 'email' && target.to !== addressBefore) await sendOpenCode(context, made.notification)
  return made
}

/** The refusal of a message that a user asks for by hand; undefined where it may be sent. */
async function checkByHand(
  { mailQuotas }: NotificationContext,
  { ownerId, target }: Notification,
): Promise<Refusal | undefined> {
  if (target.type !== 'email') return undefined
  return target.confirmation ? notConfirmed : mailQuotas.check(ownerId)
}

/** `POST /notifications/:id/rotate-secret`: a new key; the one before it signs on for a while. */
export function rotateKey(context: NotificationContext, ownerId: string, id: string): Promise<WithKey | Refusal> {
  const { sealer, clock, config, randomBytes } = context
  return changeNotification(context, ownerId, id, (before) => {
    const { target } = before
    if (target.type !== 'webhook') return refusal('conflict', 'only webhooks have a key')
    const key = webhookKeyText(randomBytes(webhookKeyBytes))
    const sealed = sealer.seal(key, keyPurposeOf(before))
    const keys = rotatedKeys(target.keys, sealed, clock.now(), config.jobWebhookOverlap)
    return { notification: { ...before, target: { ...target, keys } }, key }
  })
}

/** `POST /notifications/:id/test`: a message that reports nothing. It is sent also while the notification is disabled. */
export async function testNotification(
  context: NotificationContext,
  ownerId: string,
  id: string,
  minted: string,
): Promise<Delivery | Refusal> {
  const { stores, clock, config, nudge } = context
  const notification = await stores.notifications.find(ownerId, id)
  if (!notification) return noSuchNotification
  const refused = await checkByHand(context, notification)
  if (refused) return refused
  const now = clock.now()
  const message = testMessage({ notification, now, baseUrl: config.publicUrl ?? '' })
  const about = { id: deliveryIdOf(id, `test ${minted}`), ownerId, notificationId: id, jobId: null }
  const delivery = newDelivery({ ...about, message, now })
  await stores.deliveries.insertManyIfAbsent([delivery])
  await dropBeyond(context, ownerId)
  nudge()
  return delivery
}

/** `POST /notifications/deliveries/:id/redeliver`: the same message with the same id, from the first attempt on. */
export async function redeliver(
  context: NotificationContext,
  ownerId: string,
  id: string,
): Promise<Delivery | Refusal> {
  const { stores, clock, nudge } = context
  const before = await stores.deliveries.find(ownerId, id)
  const notification = before && (await stores.notifications.find(ownerId, before.notificationId))
  if (!notification) return noSuchDelivery
  const refused = await checkByHand(context, notification)
  if (refused) return refused
  if (before.status === 'pending')
    return refusal('conflict', 'the delivery has not ended yet: it is tried again by itself')
  const next = redelivered(before, clock.now())
  const [isStored] = await stores.deliveries.compareAndSetMany([{ before, next }])
  if (!isStored) return refusal('conflict', 'the delivery has changed meanwhile')
  await dropBeyond(context, ownerId)
  nudge()
  return next
}
