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
import type { JobContext } from './context.ts'
import { findJob } from './find-job.ts'
import { dropBeyond, type ReportContext } from './report.ts'

export interface NotificationContext extends ReportContext, Pick<JobContext, 'sealer'> {
  readonly randomBytes: (count: number) => Uint8Array
  /** Wakes what sends messages. */
  readonly nudge: () => void
}

/** A notification, with its key where it is shown for the only time. */
export interface WithKey {
  readonly notification: Notification
  readonly key: string | null
}

export const noSuchNotification = refusal('not-found', 'there is no such notification')
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

/** The target as it is stored; `known`: the keys that stay where the body brings none. */
function readTarget(
  context: NotificationContext,
  about: Pick<Notification, 'id' | 'ownerId'>,
  target: NotificationTarget,
  known: StoredTarget | null,
): { readonly target: StoredTarget; readonly key: string | null } | Refusal {
  if (target.type === 'email') return checkMail(context, target.to) ?? { target, key: null }
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
  const read = readTarget(context, about, body.target, null)
  if (isRefusal(read)) return read
  const { name, on, enabled } = body
  const times = { createdAt: clock.now(), updatedAt: clock.now() }
  const chosen = { jobId: scope?.jobId ?? null, tag: scope?.tag ?? null }
  const rest = { target: read.target, enabled, disabledReason: null, ...times, rev: 1 }
  const notification: Notification = { ...about, name, on: [...new Set(on)], ...chosen, ...rest }
  const stored = await stores.notifications.create(notification, config.jobMostNotifications)
  if (stored === 'stored') return { notification, key: read.key }
  const detail = `a user may have ${config.jobMostNotifications} notifications: delete those that are not needed`
  return refusal('quota-exceeded', detail)
}

const keepsChanging = refusal('conflict', 'the notification changed again and again meanwhile')
/** How often a change is tried on what is stored then. */
const tries = 5

/** Changes a notification of the caller; `decide` answers it as it is to be. */
async function change(
  { stores, clock }: NotificationContext,
  ownerId: string,
  id: string,
  decide: (before: Notification) => Promise<WithKey | Refusal> | WithKey | Refusal,
): Promise<WithKey | Refusal> {
  for (let left = tries; left > 0; left -= 1) {
    const before = await stores.notifications.find(ownerId, id)
    if (!before) return noSuchNotification
    const made = await decide(before)
    if (isRefusal(made)) return made
    const next = { ...made.notification, updatedAt: clock.now(), rev: before.rev + 1 }
    if (await stores.notifications.compareAndSet({ before, next })) return { ...made, notification: next }
  }
  return keepsChanging
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
  return change(context, caller.userId, id, (before) => {
    const { name = before.name, on = before.on, enabled = before.enabled } = body
    const read = body.target === undefined ? before : readTarget(context, before, body.target, before.target)
    if (isRefusal(read)) return read
    const disabledReason = enabled ? null : before.disabledReason
    const chosen = { ...before, name, on: [...new Set(on)], ...scope, target: read.target, enabled, disabledReason }
    return { notification: chosen, key: 'key' in read ? read.key : null }
  })
}

/** `POST /notifications/:id/rotate-secret`: a new key; the one before it signs on for a while. */
export function rotateKey(context: NotificationContext, ownerId: string, id: string): Promise<WithKey | Refusal> {
  const { sealer, clock, config, randomBytes } = context
  return change(context, ownerId, id, (before) => {
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
  if (!before || !(await stores.notifications.find(ownerId, before.notificationId))) return noSuchDelivery
  if (before.status === 'pending')
    return refusal('conflict', 'the delivery has not ended yet: it is tried again by itself')
  const next = redelivered(before, clock.now())
  const [isStored] = await stores.deliveries.compareAndSetMany([{ before, next }])
  if (!isStored) return refusal('conflict', 'the delivery has changed meanwhile')
  await dropBeyond(context, ownerId)
  nudge()
  return next
}
