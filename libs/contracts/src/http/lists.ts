import { z } from 'zod'
import { executionStatuses, fireDecisions, jobStatuses } from '../states.ts'
import { queryTime, wholeNumber } from '../values.ts'

/** Query of every list: `limit` 1 to 200 (50), `cursor` as the last page gave it. */
export const pageQuery = z.strictObject({
  limit: wholeNumber({ min: 1, max: 200 }).default(50),
  cursor: z.string().max(512).optional(),
})

/** `fields` of a list: the large fields to show beside the others, with commas between them. */
const fieldsOf = <const Names extends readonly [string, ...string[]]>(names: Names) =>
  z
    .preprocess((given) => (typeof given === 'string' ? given.split(',') : given), z.array(z.enum(names)).max(10))
    .default([])

/** Fields that lists leave out unless they are asked for. */
const executionFields = fieldsOf(['params', 'result'])

export const listScopes = ['own', 'shared', 'all'] as const
export type ListScope = (typeof listScopes)[number]
const scope = z
  .enum(listScopes)
  .default('own')
  .describe(
    '`own`: your jobs. `shared`: jobs of others that name you as a viewer. `all`: of all users, for operators. Default own.',
  )

export const jobsQuery = pageQuery.extend({
  scope,
  fields: fieldsOf(['params']),
  status: z.enum(jobStatuses).optional(),
  jobType: z.string().min(1).max(100).optional(),
  /** A part of the job's name or key, without regard to case. */
  q: z.string().min(1).max(100).optional(),
})
export type JobsQuery = z.infer<typeof jobsQuery>

/** `GET /dead-letters`. */
export const deadLettersQuery = pageQuery.extend({ fields: executionFields })

export const executionsQuery = pageQuery.extend({
  fields: executionFields,
  status: z.enum(executionStatuses).optional(),
  jobType: z.string().min(1).max(100).optional(),
})
export type ExecutionsQuery = z.infer<typeof executionsQuery>

export const logsQuery = pageQuery.extend({ attempt: wholeNumber({ min: 1 }).optional() })
export type LogsQuery = z.infer<typeof logsQuery>

/** `GET /jobs/:id/fire-log`: ranges with a part between `from` and `to`, both included. */
export const fireLogQuery = pageQuery.extend({
  decision: z.enum(fireDecisions).optional(),
  from: queryTime.optional(),
  to: queryTime.optional(),
})
export type FireLogQuery = z.infer<typeof fireLogQuery>

/**
 * One page of a list. `nextCursor` is null on the last page; a page may be shorter than `limit` although more follow, also
 * because its body would be longer than 1 MiB.
 */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    data: z.array(item),
    page: z.strictObject({ nextCursor: z.string().nullable(), hasMore: z.boolean() }),
  })
}
export interface Page<T> {
  data: T[]
  page: { nextCursor: string | null; hasMore: boolean }
}
