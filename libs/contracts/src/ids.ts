import { z } from 'zod'

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'

export const jobIdPattern = new RegExp(`^job-${uuid}$`)
export const executionIdPattern = new RegExp(`^exe-[0-9a-z]{1,11}-${uuid}$`)

/** Shaped like an id of ours, whatever record it names: a job's `key` must not be. */
const idShape = new RegExp(`^(job|usr|key|exe)-(?:[0-9a-z]{1,11}-)?${uuid}$`)

/**
 * A name that the owner chooses for a job, unique per owner (docs/jobs.md, "Keys"). It stands in addresses, which cannot hold `.` as a
 * name, and in which two dots beside a slash are refused on the way, whatever is before or behind them.
 */
export const jobKey = z
  .string()
  .regex(/^[a-z0-9._-]{1,64}$/, 'must be 1 to 64 characters of a-z, 0-9, ".", "_" and "-"')
  .refine((key) => !idShape.test(key), 'must not be shaped like an id')
  .refine((key) => key !== '.' && !/^\.\.|\.\.$/.test(key), 'must not be ".", nor begin or end with ".."')

/** The value of `:id` in a job's routes: its id or its key. */
export const jobRef = z
  .string()
  .min(1)
  .max(64)
  .describe('The id of the job, or its key.')
  .meta({ examples: ['hello'] })

export const executionId = z
  .string()
  .regex(executionIdPattern, 'is not an execution id')
  .describe('The id of the execution.')

/**
 * The id of a scheduled execution: the same job and fire time always give the same id, and ids begin with the time,
 * so that inserts stay on the same pages. `fireAt` in epoch milliseconds.
 */
export function scheduledExecutionId(jobId: string, fireAt: number): string {
  return `exe-${fireAt.toString(36)}-${jobId.slice('job-'.length)}`
}

/** The id of a manual trigger. `plannedAt` in epoch milliseconds, `minted` a UUID. */
export function triggeredExecutionId(plannedAt: number, minted: string): string {
  return `exe-${plannedAt.toString(36)}-${minted}`
}
