import { type Refusal, refusal } from '@belfry/contracts'
import { codeLength, codeOf, codePurposeOf, isSameCode } from '../domain/confirmation.ts'
import { type Delivery, deliveryIdOf, newDelivery } from '../domain/delivery.ts'
import { confirmationMessage } from '../domain/message.ts'
import type { Notification, StoredTarget } from '../domain/notification.ts'
import { changeNotification, type NotificationContext, noSuchNotification } from './change-notification.ts'
import { dropBeyond } from './report.ts'

type MailTarget = Extract<StoredTarget, { readonly type: 'email' }>

const noAddress = refusal('conflict', 'only an address for mails is confirmed')
const isConfirmed = refusal('conflict', 'the address is confirmed already')
/** Refuses what would send a message to an address that is not confirmed. */
export const notConfirmed = refusal(
  'conflict',
  'the address is not confirmed: give the code that was sent there to POST /notifications/:id/confirm',
)
const badCode = (code: string, detail: string) =>
  refusal('impossible', 'the address was not confirmed', { errors: [{ pointer: '/code', code, detail }] })
const wrongCode = badCode('wrong-code', 'is not the code that was sent last')
const expiredCode = badCode('expired', 'has expired: POST /notifications/:id/send-code sends another one')

/** The target with a new code, which has to be sent. */
export function unconfirmed(
  { sealer, clock, config, randomBytes }: Pick<NotificationContext, 'sealer' | 'clock' | 'config' | 'randomBytes'>,
  about: Pick<Notification, 'id' | 'ownerId'>,
  to: string,
): MailTarget {
  const sealedCode = sealer.seal(codeOf(randomBytes(codeLength)), codePurposeOf(about))
  return { type: 'email', to, confirmation: { sealedCode, expiresAt: clock.now() + config.jobMailCodeLifetime } }
}

/** Whether a notification of the owner has confirmed this address. */
export async function hasConfirmed(
  { stores }: Pick<NotificationContext, 'stores'>,
  ownerId: string,
  to: string,
): Promise<boolean> {
  const all = await stores.notifications.listOfOwner(ownerId)
  const isSame = (address: string) => address.toLowerCase() === to.toLowerCase()
  return all.some(({ target }) => target.type === 'email' && !target.confirmation && isSame(target.to))
}

/** Stores the message with the code of an address, where there is one open. */
export async function sendOpenCode(context: NotificationContext, notification: Notification): Promise<Delivery | null> {
  const { stores, clock, config, nudge } = context
  const { id, ownerId, target } = notification
  if (target.type !== 'email' || !target.confirmation) return null
  const now = clock.now()
  const message = confirmationMessage({ notification, now, baseUrl: config.publicUrl ?? '' })
  const about = { id: deliveryIdOf(id, `code ${target.confirmation.sealedCode}`), ownerId, notificationId: id }
  const delivery = newDelivery({ ...about, jobId: null, message, now })
  await stores.deliveries.insertManyIfAbsent([delivery])
  await dropBeyond(context, ownerId)
  nudge()
  return delivery
}

/** The code that was sent last; null where the key that has sealed it is not set any more. */
function openCode({ sealer }: NotificationContext, about: Notification, sealedCode: string): string | null {
  try {
    return sealer.open(sealedCode, codePurposeOf(about))
  } catch {
    return null
  }
}

/** `POST /notifications/:id/confirm`. An address that is confirmed stays so, whatever the code. */
export async function confirmAddress(
  context: NotificationContext,
  ownerId: string,
  id: string,
  given: string,
): Promise<Notification | Refusal> {
  const { clock } = context
  const made = await changeNotification(context, ownerId, id, (before) => {
    const { target } = before
    if (target.type !== 'email') return noAddress
    if (!target.confirmation) return { notification: before, key: null }
    const code = openCode(context, before, target.confirmation.sealedCode)
    if (code !== null && !isSameCode(given, code)) return wrongCode
    if (code === null || clock.now() >= target.confirmation.expiresAt) return expiredCode
    return { notification: { ...before, target: { type: 'email', to: target.to } }, key: null }
  })
  return 'notification' in made ? made.notification : made
}

/** `POST /notifications/:id/send-code`: another code, in place of the one before it. */
export async function sendCode(context: NotificationContext, ownerId: string, id: string): Promise<Delivery | Refusal> {
  const refused = await context.mailQuotas.check(ownerId)
  if (refused) return refused
  const made = await changeNotification(context, ownerId, id, (before) => {
    const { target } = before
    if (target.type !== 'email') return noAddress
    if (!target.confirmation) return isConfirmed
    return { notification: { ...before, target: unconfirmed(context, before, target.to) }, key: null }
  })
  if (!('notification' in made)) return made
  return (await sendOpenCode(context, made.notification)) ?? noSuchNotification
}
