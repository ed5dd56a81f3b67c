import {
  confirmNotificationBody,
  createNotificationBody,
  deliveryView,
  isRefusal,
  notificationView,
  notificationWithSecret,
  pageOf,
  pageQuery,
  patchNotificationBody,
} from '@belfry/contracts'
import { decodeCursor, type HttpApp, sendPage } from '@belfry/http'
import type { Ids } from '@belfry/service'
import { z } from 'zod'
import { type NotificationContext, noSuchNotification, type WithKey } from '../use-cases/change-notification.ts'
import { confirmAddress, sendCode } from '../use-cases/confirm-address.ts'
import {
  createNotification,
  patchNotification,
  redeliver,
  rotateKey,
  testNotification,
} from '../use-cases/notifications.ts'
import { viewDelivery, viewNotification } from './notification-view.ts'

const tags = ['notifications']
const params = z.object({ id: z.string().max(64).describe('Id of the notification.') })
const deliveryParams = z.object({ id: z.string().max(64).describe('Id of the delivery.') })
const reads = { access: 'viewer' } as const
const changes = { access: 'user' } as const
/** When the last row of a page was made, and its id. */
const cursorShape = z.tuple([z.int(), z.string()])
const cursorOf = ({ createdAt, id }: { readonly createdAt: number; readonly id: string }) => [createdAt, id]

export interface NotificationRoutes {
  readonly context: NotificationContext
  readonly ids: Ids
}

/** `/notifications`: who gets messages about what, where, and what became of them. All of it belongs to the caller. */
export function mountNotifications(app: HttpApp, { context, ids }: NotificationRoutes): void {
  const { stores, clock } = context
  const view = (one: Parameters<typeof viewNotification>[0]) => viewNotification(one, clock.now())
  const withKey = ({ notification, key }: WithKey) => ({ ...view(notification), secret: key })

  const create = {
    operationId: 'createNotification',
    tags,
    summary: 'Get messages about your jobs',
    description:
      'Sends a message to a webhook or by mail when a job of yours fails, is lost, expires, misses fire times, is paused after failures, or succeeds again. The answer shows the key of a webhook this one time.',
    body: createNotificationBody,
    response: { 201: notificationWithSecret },
    answerHeaders: { 201: ['location'] },
    problems: ['impossible', 'quota-exceeded'],
    examples: {
      webhook: {
        summary: 'A webhook for what fails',
        value: {
          name: 'Failures',
          on: ['failed', 'lost', 'auto-paused', 'recovered'],
          target: { type: 'webhook', url: 'https://example.com/hooks/belfry' },
        },
      },
    },
  } as const
  // Without the Idempotency-Key rule: its stored answer would hold the key.
  app.post('/notifications', { schema: create, config: changes }, async (request, reply) => {
    const made = await createNotification(context, request.caller, `ntf-${ids.uuid()}`, request.body)
    if (isRefusal(made)) return reply.refuse(made)
    return reply.code(201).header('location', `/notifications/${made.notification.id}`).send(withKey(made))
  })

  const list = {
    operationId: 'listNotifications',
    tags,
    summary: 'Your notifications, oldest first',
    description: 'All notifications of the caller. The keys of webhooks are not shown.',
    querystring: pageQuery,
    response: { 200: pageOf(notificationView) },
    answerHeaders: { 200: ['link'] },
  } as const
  app.get('/notifications', { schema: list, config: reads }, async (request, reply) => {
    const { cursor, limit } = request.query
    const after = cursor === undefined ? null : decodeCursor(cursor, cursorShape)
    if (isRefusal(after)) return reply.refuse(after)
    const all = await stores.notifications.listOfOwner(request.caller.userId)
    const [at, last] = after ?? [Number.NEGATIVE_INFINITY, '']
    const rest = all.filter(({ createdAt, id }) => createdAt > at || (createdAt === at && id > last))
    return sendPage(reply, rest.slice(0, limit + 1), limit, cursorOf, view)
  })

  const read = {
    operationId: 'getNotification',
    tags,
    summary: 'A notification',
    description: 'What is reported, and where. The key of a webhook is not shown.',
    params,
    response: { 200: notificationView },
  }
  app.get('/notifications/:id', { schema: read, config: reads }, async (request, reply) => {
    const found = await stores.notifications.find(request.caller.userId, request.params.id)
    return found ? reply.send(view(found)) : reply.refuse(noSuchNotification)
  })

  const patch = {
    operationId: 'updateNotification',
    tags,
    summary: 'Change a notification',
    description:
      'Replaces the fields that are given. A webhook keeps its key unless the target brings a new one; `enabled: true` takes a notification up again that its target has ended with 410.',
    consumes: ['application/merge-patch+json', 'application/json'],
    params,
    body: patchNotificationBody,
    response: { 200: notificationView },
    problems: ['impossible', 'conflict'],
    examples: {
      events: { summary: 'Other events', value: { on: ['failed', 'missed'] } },
      off: { summary: 'No messages for now', value: { enabled: false } },
    },
  } as const
  app.patch('/notifications/:id', { schema: patch, config: changes }, async (request, reply) => {
    const made = await patchNotification(context, request.caller, request.params.id, request.body)
    return isRefusal(made) ? reply.refuse(made) : reply.send(view(made.notification))
  })

  const remove = {
    operationId: 'deleteNotification',
    tags,
    summary: 'Delete a notification',
    description: 'Messages of it that wait are dropped. The list of its deliveries is not shown any more.',
    params,
    response: { 200: notificationView },
  }
  app.delete('/notifications/:id', { schema: remove, config: changes }, async (request, reply) => {
    const { userId } = request.caller
    const found = await stores.notifications.find(userId, request.params.id)
    if (!found || !(await stores.notifications.remove(userId, found.id))) return reply.refuse(noSuchNotification)
    return reply.send(view(found))
  })

  const rotate = {
    operationId: 'rotateNotificationSecret',
    tags,
    summary: 'Give a webhook a new key',
    description:
      'Makes a new key, which the answer shows this one time. The key before it signs beside it for BELFRY_JOB_WEBHOOK_OVERLAP (24 h), so that the receiver can change over.',
    params,
    response: { 200: notificationWithSecret },
    problems: ['conflict', 'impossible'],
  } as const
  app.post('/notifications/:id/rotate-secret', { schema: rotate, config: changes }, async (request, reply) => {
    const made = await rotateKey(context, request.caller.userId, request.params.id)
    return isRefusal(made) ? reply.refuse(made) : reply.send(withKey(made))
  })

  const test = {
    operationId: 'testNotification',
    tags,
    summary: 'Send a test message',
    description:
      'Sends a message of the type `notification.test`, also while the notification is disabled. Mails count against the quota of an hour (`GET /quotas`), and go to a confirmed address only.',
    params,
    response: { 202: deliveryView },
    problems: ['conflict', 'quota-exceeded'],
  } as const
  app.post('/notifications/:id/test', { schema: test, config: changes }, async (request, reply) => {
    const delivery = await testNotification(context, request.caller.userId, request.params.id, ids.uuid())
    return isRefusal(delivery) ? reply.refuse(delivery) : reply.code(202).send(viewDelivery(delivery))
  })

  const confirm = {
    operationId: 'confirmNotification',
    tags,
    summary: 'Confirm the address of a notification by mail',
    description:
      'Takes the code that was sent to the address of the notification. Until then no message is sent there. An address that you have confirmed for one notification needs no code for another one of yours.',
    params,
    body: confirmNotificationBody,
    response: { 200: notificationView },
    problems: ['impossible', 'conflict'],
    examples: { code: { summary: 'The code of the mail', value: { code: 'ABCD-EFGH-JKLM-NPQR' } } },
  } as const
  app.post('/notifications/:id/confirm', { schema: confirm, config: changes }, async (request, reply) => {
    const { userId } = request.caller
    const confirmed = await confirmAddress(context, userId, request.params.id, request.body.code)
    return isRefusal(confirmed) ? reply.refuse(confirmed) : reply.send(view(confirmed))
  })

  const code = {
    operationId: 'sendNotificationCode',
    tags,
    summary: 'Send another code to the address of a notification',
    description:
      'Sends a new code, in place of the one before it. To one address 5 codes are sent in a day (BELFRY_JOB_MAIL_CODES_PER_DAY); a further one waits.',
    params,
    response: { 202: deliveryView },
    problems: ['conflict', 'quota-exceeded'],
  } as const
  app.post('/notifications/:id/send-code', { schema: code, config: changes }, async (request, reply) => {
    const delivery = await sendCode(context, request.caller.userId, request.params.id)
    return isRefusal(delivery) ? reply.refuse(delivery) : reply.code(202).send(viewDelivery(delivery))
  })

  const deliveries = {
    operationId: 'listDeliveries',
    tags,
    summary: 'The messages of a notification, newest first',
    description:
      'What was sent or is to be sent, and how it went. Messages are stored for BELFRY_JOB_NOTIFY_KEEP (7 days).',
    params,
    querystring: pageQuery,
    response: { 200: pageOf(deliveryView) },
    answerHeaders: { 200: ['link'] },
  } as const
  app.get('/notifications/:id/deliveries', { schema: deliveries, config: reads }, async (request, reply) => {
    const { cursor, limit } = request.query
    const parts = cursor === undefined ? null : decodeCursor(cursor, cursorShape)
    if (isRefusal(parts)) return reply.refuse(parts)
    const found = await stores.notifications.find(request.caller.userId, request.params.id)
    if (!found) return reply.refuse(noSuchNotification)
    const after = parts && { at: parts[0], id: parts[1] }
    const rows = await stores.deliveries.listOfNotification(found.id, { after, limit: limit + 1 })
    return sendPage(reply, rows, limit, cursorOf, viewDelivery)
  })

  const again = {
    operationId: 'redeliverMessage',
    tags,
    summary: 'Send a message once more',
    description:
      'Sends a message that has ended once more, with the same `webhook-id` and as many attempts as the first time.',
    params: deliveryParams,
    response: { 202: deliveryView },
    problems: ['illegal-transition', 'conflict', 'quota-exceeded'],
  } as const
  app.post('/notifications/deliveries/:id/redeliver', { schema: again, config: changes }, async (request, reply) => {
    const delivery = await redeliver(context, request.caller.userId, request.params.id)
    return isRefusal(delivery) ? reply.refuse(delivery) : reply.code(202).send(viewDelivery(delivery))
  })
}
