import { z } from 'zod'
import { executionStatuses, fireDecisions, jobStatuses } from '../states.ts'
import { aheadTime, queryTime, wholeNumber } from '../values.ts'

/** Query of every list: `limit` 1 to 200 (50), `cursor` as the last page gave it. */
export const pageQuery = z.strictObject({
  limit: wholeNumber({ min: 1, max: 200 }).default(50).describe('Rows of the page at most; it may have fewer.'),
  cursor: z
    .string()
    .max(512)
    .optional()
    .describe('The `nextCursor` of the page before. Default: from the beginning of the list.'),
})

/** `fields` of a list: the large fields to show beside the others, with commas between them. */
const fieldsOf = <const Names extends readonly [string, ...string[]]>(names: Names) =>
  z
    .preprocess((given) => (typeof given === 'string' ? given.split(',') : given), z.array(z.enum(names)).max(10))
    .default([])
    .describe('Fields that the list leaves out unless they are named here, with commas between them.')

/** Fields that lists leave out unless they are asked for. */
const executionFields = fieldsOf(['params', 'result'])

const jobTypeFilter = z.string().min(1).max(100).optional().describe('Only those of this job type.')

export const listScopes = ['own', 'shared', 'all'] as const
export type ListScope = (typeof listScopes)[number]
const scope = z
  .enum(listScopes)
  .default('own')
  .describe(
    '`own`: your jobs. `shared`: jobs of others that name you as a viewer. `all`: of all users, for operators. Default own.',
  )

/** Several values of a query parameter: with commas between, or the parameter several times. */
const severalOf = <const Names extends readonly [string, ...string[]]>(names: Names) =>
  z.preprocess(
    (given) =>
      given === undefined
        ? undefined
        : [given].flat().flatMap((one) => (typeof one === 'string' ? one.split(',') : [one])),
    z.array(z.enum(names)).min(1).max(names.length).optional(),
  )

const ownerId = z
  .string()
  .min(1)
  .max(100)
  .optional()
  .describe('The id of the user whose records are listed, for operators. Default: your own.')

export const jobSorts = ['-createdAt', 'nextRunAt'] as const
export type JobSort = (typeof jobSorts)[number]

export const jobsQuery = pageQuery.extend({
  scope,
  fields: fieldsOf(['params']),
  ownerId,
  status: severalOf(jobStatuses).describe('Statuses, with commas between or one a time; default all.'),
  jobType: jobTypeFilter,
  tag: z.string().min(1).max(50).optional().describe('A tag that the job has.'),
  q: z.string().min(1).max(100).optional().describe('A part of the name or key of the job, in any case.'),
  from: queryTime.optional().describe('Jobs created at this moment or later: RFC 3339, or `-24h` for a day ago.'),
  to: queryTime.optional().describe('Jobs created at this moment or before: RFC 3339, or `-24h` for a day ago.'),
  nextRunBefore: aheadTime
    .optional()
    .describe(
      'Jobs whose next run lies at this moment or before: RFC 3339, or `1h` from now. The list is then in the order of the next runs.',
    ),
  sort: z
    .enum(jobSorts)
    .optional()
    .describe(
      '`-createdAt`: newest first. `nextRunAt`: next run first, only jobs that have one, only your own. Default -createdAt.',
    ),
})
export type JobsQuery = z.infer<typeof jobsQuery>

/** Of calls that may wait for an end. */
export const untilQuery = z.strictObject({
  until: z
    .enum(['terminal'])
    .optional()
    .describe(
      'The answer waits until an end is reached: up to the seconds of `Prefer: wait=20` (at most 20; 2 without it). Default: it does not wait.',
    ),
})

/** `GET /dead-letters`. */
export const deadLettersQuery = pageQuery.extend({ fields: executionFields, ownerId })

export const executionSorts = ['-fireAt', 'fireAt'] as const

export const executionsOfJobQuery = pageQuery.extend({
  fields: executionFields,
  status: severalOf(executionStatuses).describe('Statuses, with commas between or one a time; default all.'),
  jobType: jobTypeFilter,
  from: queryTime.optional().describe('Fire times at this moment or later: RFC 3339, or `-24h` for a day ago.'),
  to: queryTime.optional().describe('Fire times at this moment or before: RFC 3339, or `-24h` for a day ago.'),
  sort: z
    .enum(executionSorts)
    .default('-fireAt')
    .describe('`-fireAt`: newest fire time first. `fireAt`: oldest first. Default -fireAt.'),
})
export type ExecutionsOfJobQuery = z.infer<typeof executionsOfJobQuery>

export const executionsQuery = executionsOfJobQuery.extend({
  scope: z
    .enum(listScopes)
    .default('own')
    .describe(
      '`own`: of your jobs. `shared`: of the newest 200 jobs of others that name you as a viewer. `all`: of all users, for operators, without params and results. Default own.',
    ),
  ownerId,
  tag: z.string().min(1).max(50).optional().describe('A tag that the job has now.'),
  q: z.string().min(1).max(100).optional().describe('A part of the name or key that the job has now, in any case.'),
})
export type ExecutionsQuery = z.infer<typeof executionsQuery>

export const logsQuery = pageQuery.extend({
  attempt: wholeNumber({ min: 1 })
    .optional()
    .describe('Only lines of this attempt, by its `epoch`. Default: of all attempts.'),
  follow: z
    .enum(['true', 'false'])
    .optional()
    .describe(
      '`true`: the answer is a stream of server-sent events with each line as it is logged, until the execution has ended; `Last-Event-ID` continues a stream. Default `false`: a page.',
    ),
})
export type LogsQuery = z.infer<typeof logsQuery>

const moment = 'RFC 3339 with an offset, or so long ago: `-24h`.'

/** `GET /jobs/:id/fire-log`: ranges with a part between `from` and `to`, both included. */
export const fireLogQuery = pageQuery.extend({
  decision: z.enum(fireDecisions).optional().describe('Only ranges with this decision.'),
  from: queryTime.optional().describe(`Only ranges that end at this time or later: ${moment}`),
  to: queryTime.optional().describe(`Only ranges that begin at this time or earlier: ${moment}`),
})
export type FireLogQuery = z.infer<typeof fireLogQuery>

const pagePosition = z
  .strictObject({
    nextCursor: z.string().nullable().describe('The `cursor` of the next page; null on the last one.'),
    hasMore: z.boolean().describe('Whether there is a next page.'),
  })
  .meta({ id: 'PagePosition', description: 'Where a page stands in its list.' })

/**
 * One page of a list. `nextCursor` is null on the last page; a page may be shorter than `limit` although more follow, also
 * because its body would be longer than 1 MiB.
 */
export function pageOf<T extends z.ZodType>(item: T) {
  const page = z.strictObject({ data: z.array(item).describe('The rows of the page.'), page: pagePosition })
  const id = z.globalRegistry.get(item)?.id
  return id === undefined ? page : page.meta({ id: `${id}Page`, description: 'One page of a list.' })
}
export interface Page<T> {
  data: T[]
  page: { nextCursor: string | null; hasMore: boolean }
}
