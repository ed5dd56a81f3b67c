import { z } from 'zod'
import { jobKey, jobRef } from '../ids.ts'
import { executionError } from '../messages.ts'
import { executionStatuses } from '../states.ts'
import { links, wireTime } from './parts.ts'

/** What a notification may report. Their messages have the type `job.` and the event. */
export const notificationEvents = ['failed', 'lost', 'expired', 'missed', 'auto-paused', 'recovered'] as const
export type NotificationEvent = (typeof notificationEvents)[number]

/** Standard Webhooks, "Signature scheme": 24 to 64 bytes, Base64, behind the prefix. */
const webhookSecret = z
  .string()
  .regex(
    /^whsec_(?=(?:.{4})+$)[A-Za-z0-9+/]{32,88}={0,2}$/,
    'must be "whsec_" and 24 to 64 bytes in Base64; without it one is made',
  )
  .describe('The key of the signatures. Without it one is made, which the answer shows this one time.')

const webhookUrl = z
  .string()
  .max(2048)
  .regex(
    /^[hH][tT][tT][pP][sS]?:\/\/[^\s/?#@\\]+(?:[/?#][^\s]*)?$/,
    'must begin with "https://" or "http://" and name a host, without user name and password',
  )
  .refine((url) => URL.canParse(url), 'is not a URL')
  .describe('Where messages are sent, a public address. Redirects are not followed.')

const emailAddress = z
  .string()
  .max(254)
  .regex(/^[^\s@<>,;:"()[\]\\]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*$/, 'is not an address such as "you@example.com"')
  .describe('The address that mails are sent to.')

export const notificationTarget = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('webhook').describe('A POST with a signature (Standard Webhooks).'),
      url: webhookUrl,
      secret: webhookSecret.optional(),
    }),
    z.strictObject({
      type: z.literal('email').describe('A mail. The server needs BELFRY_SMTP_URL.'),
      to: emailAddress,
    }),
  ])
  .meta({ id: 'NotificationTarget', description: 'Where messages go: a webhook, or a mail.' })
export type NotificationTarget = z.infer<typeof notificationTarget>

const name = z.string().trim().min(1).max(200).describe('A name for people.')
const on = z
  .array(z.enum(notificationEvents))
  .min(1)
  .max(notificationEvents.length)
  .describe('The events that are reported. An event of no interest costs nothing.')
const jobId = jobRef.nullish().describe('Only events of this job of yours, by id or key. Default: of all your jobs.')
const key = jobKey.nullish().describe('The same by key.')
const tag = z.string().min(1).max(50).nullish().describe('Only events of your jobs with this tag.')
const enabled = z.boolean().describe('Whether messages are sent. Default: true.')

/** At most one of the fields that choose jobs. */
function onlyOneScope(
  body: { readonly jobId?: unknown; readonly key?: unknown; readonly tag?: unknown },
  context: z.core.$RefinementCtx,
): void {
  const given = (['jobId', 'key', 'tag'] as const).filter((field) => body[field] !== undefined && body[field] !== null)
  for (const field of given.slice(1)) {
    const message = `chooses jobs, and so does ${given[0]}: give one of both`
    context.addIssue({ code: 'custom', path: [field], message, params: { code: 'not-allowed' } })
  }
}

/** `POST /notifications`. */
export const createNotificationBody = z
  .strictObject({ name, on, jobId, key, tag, target: notificationTarget, enabled: enabled.default(true) })
  .superRefine(onlyOneScope)
  .meta({ id: 'CreateNotificationBody', description: 'What to get messages about, and where.' })
export type CreateNotificationBody = z.infer<typeof createNotificationBody>

/**
 * `PATCH /notifications/:id`: the fields that are given replace what is there; one of jobId, key and tag replaces the others, and null
 * means all jobs. A webhook keeps its key unless the target brings another one.
 */
export const patchNotificationBody = z
  .strictObject({
    name: name.optional(),
    on: on.optional(),
    jobId,
    key,
    tag,
    target: notificationTarget.optional(),
    enabled: enabled.optional(),
  })
  .superRefine(onlyOneScope)
  .meta({ id: 'PatchNotificationBody', description: 'What changes of a notification.' })
export type PatchNotificationBody = z.infer<typeof patchNotificationBody>

export const notificationView = z
  .strictObject({
    id: z.string().describe('Id of the notification, `ntf-` and a UUID.'),
    name,
    on,
    jobId: z
      .string()
      .nullable()
      .describe('The job whose events are reported; null for all jobs, or those with the tag.'),
    tag: z
      .string()
      .nullable()
      .describe('The tag of the jobs whose events are reported; null for all jobs, or the one.'),
    target: z
      .discriminatedUnion('type', [
        z.strictObject({
          type: z.literal('webhook').describe('A POST with a signature.'),
          url: z.string().describe('Where messages are sent.'),
        }),
        z.strictObject({
          type: z.literal('email').describe('A mail.'),
          to: z.string().describe('The address.'),
          confirmed: z
            .boolean()
            .describe('Whether messages are sent: false until the code that was sent to the address is given back.'),
        }),
      ])
      .describe('Where messages go, without the key of a webhook.'),
    enabled: z.boolean().describe('Whether messages are sent.'),
    disabledReason: z
      .string()
      .nullable()
      .describe('Why Belfry has disabled it, as a sentence: its target answered 410. Null while it is enabled.'),
    secretUntil: wireTime
      .nullable()
      .describe('Until when the key before the newest one signs too; null when there is one key.'),
    createdAt: wireTime.describe('When it was made.'),
    updatedAt: wireTime.describe('When it was changed last.'),
    links: links.describe('Addresses of what belongs to it, by name.'),
  })
  .meta({ id: 'Notification', description: 'What a user gets messages about, and where.' })
export type NotificationView = z.infer<typeof notificationView>

/** `POST /notifications/:id/confirm`. */
export const confirmNotificationBody = z
  .strictObject({
    code: z
      .string()
      .min(1)
      .max(64)
      .describe('The code in the mail, such as `ABCD-EFGH-JKLM-NPQR`. Case, spaces and hyphens do not count.'),
  })
  .meta({ id: 'ConfirmNotificationBody', description: 'The code that was sent to an address.' })

/** The answer that shows the key of a webhook; no later one does. */
export const notificationWithSecret = notificationView
  .extend({
    secret: z.string().nullable().describe('The key of the signatures, shown this one time; null for a mail.'),
  })
  .meta({ id: 'NotificationWithSecret', description: 'A notification with the key of its webhook.' })
export type NotificationWithSecret = z.infer<typeof notificationWithSecret>

/** What is sent: the body of a webhook, and what a mail says in words. */
export const notificationMessage = z
  .strictObject({
    type: z
      .string()
      .describe('`job.` and the event, `notification.test`, or `notification.confirm` (a mail with a code).'),
    timestamp: wireTime.describe('When the message was made.'),
    data: z
      .strictObject({
        notification: z
          .strictObject({
            id: z.string().describe('Id of the notification.'),
            name: z.string().describe('Its name.'),
          })
          .describe('What asked for the message.'),
        job: z
          .strictObject({
            id: z.string().describe('Id of the job.'),
            key: z.string().nullable().describe('Key of the job; null without one.'),
            name: z.string().describe('Name of the job.'),
            jobType: z.string().describe('Its job type.'),
            tags: z.array(z.string()).describe('Its tags.'),
          })
          .nullable()
          .describe('The job; null in a test.'),
        execution: z
          .strictObject({
            id: z.string().describe('Id of the execution.'),
            status: z.enum(executionStatuses).describe('How it ended.'),
            fireAt: wireTime.describe('When it was due.'),
            startedAt: wireTime.nullable().describe('When its first attempt started; null where none did.'),
            endedAt: wireTime.nullable().describe('When it ended.'),
            attempts: z.number().int().describe('Attempts that it had.'),
            error: executionError.nullable().describe('Why it failed, cut to 1000 characters; null where it did not.'),
          })
          .nullable()
          .describe('The newest execution that the message reports; null where it reports none.'),
        count: z.number().int().describe('How many executions, or fire times, the message reports.'),
        executionIds: z.array(z.string()).describe('The executions, oldest first; the newest 20 of many.'),
        missed: z
          .strictObject({
            from: wireTime.describe('The first fire time.'),
            to: wireTime.describe('The last fire time.'),
            reason: z.string().describe('Why, as one kebab-case word.'),
          })
          .nullable()
          .describe('Of `job.missed`: the first and the last fire time, and why they were missed.'),
        reason: z.string().nullable().describe('Of `job.auto-paused`: why the job was paused, as a sentence.'),
        url: z.string().describe('The execution, else the job: an address of the API.'),
      })
      .describe('What the message reports.'),
  })
  .meta({ id: 'NotificationMessage', description: 'The body of a webhook.' })
export type NotificationMessage = z.infer<typeof notificationMessage>

export const deliveryStatuses = ['pending', 'delivered', 'failed', 'dropped'] as const

export const deliveryView = z
  .strictObject({
    id: z.string().describe('Id of the delivery, `dlv-` and a UUID; the `webhook-id` of every attempt.'),
    notificationId: z.string().describe('The notification that it belongs to.'),
    type: z.string().describe('The type of the message.'),
    jobId: z.string().nullable().describe('The job that it reports; null in a test.'),
    status: z
      .enum(deliveryStatuses)
      .describe('`failed`: all attempts failed. `dropped`: it was given up, `lastError` says why.'),
    attempts: z.number().int().describe('Attempts so far.'),
    nextAttemptAt: wireTime.nullable().describe('When the next attempt is due; null once it has ended.'),
    createdAt: wireTime.describe('When the message was made.'),
    endedAt: wireTime.nullable().describe('When the delivery ended; null while it has not.'),
    lastStatus: z.number().int().nullable().describe('HTTP status of the last answer; null where there was none.'),
    lastError: z.string().nullable().describe('Why the last attempt failed, as a sentence.'),
    message: notificationMessage.describe('The message itself.'),
  })
  .meta({ id: 'Delivery', description: 'A message on its way.' })
export type DeliveryView = z.infer<typeof deliveryView>
