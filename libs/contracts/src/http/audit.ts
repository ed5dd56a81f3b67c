import { z } from 'zod'
import { serviceNames } from '../services.ts'
import { queryTime, wholeNumber } from '../values.ts'
import { pageQuery } from './lists.ts'
import { wireTime } from './parts.ts'

const idText = z.string().min(1).max(100)

/** `GET /audit`. */
export const auditQuery = pageQuery.extend({
  actor: idText
    .optional()
    .describe('Only requests of this user, by id. Default: of all users that the caller may see.'),
  action: idText
    .optional()
    .describe(
      'Only requests of this operation, such as `pauseJob`; of an operation without an id its method and address.',
    ),
  target: idText
    .optional()
    .describe(
      'Only requests that name or made this job, execution or user, by id. With a job that the caller may see, the requests of all users are shown.',
    ),
  from: queryTime.optional().describe('Only requests from this time on: RFC 3339, or `-24h` for a time before now.'),
  to: queryTime.optional().describe('Only requests up to this time: RFC 3339, or `-1h` for a time before now.'),
})
export type AuditQueryParams = z.infer<typeof auditQuery>

export const auditOutcomes = ['done', 'refused', 'failed', 'unknown'] as const

/** One request that changed something or was to change something. */
export const auditEntry = z
  .strictObject({
    service: z.enum(serviceNames).describe('The service that recorded the request.'),
    number: z
      .number()
      .int()
      .describe('The number of the row in the log of its service: unique and growing, with gaps.'),
    at: wireTime.describe('When the request came in.'),
    actor: z
      .strictObject({
        id: z.string().nullable().describe('The id of the user; null for a request without a token, such as a login.'),
        name: z.string().nullable().describe('The name of the user at that time; null without a token.'),
        via: z.enum(['token', 'api-key', 'none']).describe('How the user was identified.'),
      })
      .describe('Who made the request.'),
    action: z.string().describe('The operation, such as `pauseJob`; its method and address where it has no id.'),
    target: z.string().nullable().describe('What the request names or made: the id of a job, an execution, a user.'),
    also: z.array(z.string()).describe('Other ids that the request names or made, at most 20.'),
    version: z.number().int().nullable().describe('The version of the job after the change; null where there is none.'),
    status: z
      .number()
      .int()
      .nullable()
      .describe('The HTTP status of the answer; null when the service ended before it stored it.'),
    outcome: z
      .enum(auditOutcomes)
      .describe('`done` (2xx), `refused` (4xx), `failed` (5xx), or `unknown` where there is no status.'),
    requestId: z.string().describe('The id of the request, as `X-Request-Id` gives it.'),
    address: z.string().nullable().describe('The address of the client; null where it is not known.'),
  })
  .meta({ id: 'AuditEntry', description: 'One request that changed something, or was refused to.' })
export type AuditEntry = z.infer<typeof auditEntry>

/** `GET /audit/verify`. */
export const auditVerifyQuery = z.strictObject({
  cursor: z.string().max(512).optional().describe('`next` of the step before. Default: the begin of the log.'),
})

const sealView = z.strictObject({
  number: z.number().int().describe('The number of the seal, from 1, without a gap.'),
  hash: z
    .string()
    .describe(
      'SHA-256 over the seal before it and its rows, in hexadecimal digits. A copy elsewhere proves the log up to here.',
    ),
  firstAt: wireTime.describe('When its oldest row was made.'),
  lastAt: wireTime.describe('When its newest row was made.'),
})

/** Why a seal and its rows do not belong together. */
export const auditBreaks = ['missing-seal', 'other-chain', 'missing-rows', 'added-rows', 'changed-rows'] as const

export const auditVerifyView = z
  .strictObject({
    status: z
      .enum(['intact', 'broken', 'unfinished'])
      .describe('`unfinished`: nothing is broken so far; ask again with `next`.'),
    services: z
      .array(
        z.strictObject({
          service: z.enum(serviceNames).describe('The service whose log this is.'),
          seals: z.number().int().describe('Seals that this step has checked.'),
          rows: z.number().int().describe('Rows that this step has checked.'),
          from: sealView.nullable().describe('The oldest seal that this step has checked; null where there was none.'),
          to: sealView.nullable().describe('The newest seal that this step has checked; null where there was none.'),
          broken: z
            .strictObject({
              seal: z.number().int().describe('The number of the first seal that does not hold.'),
              firstAt: wireTime.describe('When the oldest row under that seal was made.'),
              lastAt: wireTime.describe('When the newest row under that seal was made.'),
              reason: z.enum(auditBreaks).describe('What differs.'),
              detail: z.string().describe('The same as a sentence.'),
            })
            .nullable()
            .describe('The first place at which the log does not hold; null where it holds.'),
        }),
      )
      .describe('One entry for each service that records requests.'),
    next: z
      .string()
      .nullable()
      .describe('The cursor of the next step; null when all is checked, or something is broken.'),
  })
  .meta({ id: 'AuditVerification', description: 'What one step of the check of the audit log has found.' })
export type AuditVerifyView = z.infer<typeof auditVerifyView>

/** `POST /internal/audit/list` of a service that records requests. Times are epoch milliseconds. */
export const auditListBody = z.strictObject({
  actorId: z.string().optional(),
  target: z.string().optional(),
  action: z.string().optional(),
  from: z.number().int().optional(),
  to: z.number().int().optional(),
  before: z.number().int().nullable(),
  limit: z.number().int().min(1).max(1000),
})
export type AuditListBody = z.infer<typeof auditListBody>

export const auditListReply = z.strictObject({
  data: z
    .array(
      z.strictObject({
        n: z.number().int(),
        at: z.number().int(),
        actorId: z.string().nullable(),
        actorName: z.string().nullable(),
        via: z.enum(['token', 'api-key', 'none']),
        action: z.string(),
        target: z.string().nullable(),
        also: z.array(z.string()).readonly(),
        version: z.number().int().nullable(),
        status: z.number().int().nullable(),
        requestId: z.string(),
        address: z.string().nullable(),
      }),
    )
    .readonly(),
  next: z.number().int().nullable(),
})
export type AuditListReply = z.infer<typeof auditListReply>

/** `GET /internal/audit/verify?after=` of a service that records requests. */
export const auditStepQuery = z.strictObject({ after: wholeNumber({ min: 0 }).default(0) })
const storedSeal = z.strictObject({
  no: z.number().int(),
  first: z.number().int(),
  last: z.number().int(),
  count: z.number().int(),
  firstAt: z.number().int(),
  lastAt: z.number().int(),
  previous: z.string(),
  hash: z.string(),
})
export const auditStepReply = z.strictObject({
  seals: z.number().int(),
  rows: z.number().int(),
  from: storedSeal.nullable(),
  to: storedSeal.nullable(),
  broken: z.strictObject({ seal: storedSeal, reason: z.enum(auditBreaks) }).nullable(),
  next: z.number().int().nullable(),
})
export type AuditStepReply = z.infer<typeof auditStepReply>
