import { z } from 'zod'
import { executionStatuses } from '../states.ts'

/** A time in an answer: ISO 8601 in UTC. */
export const wireTime = z.iso.datetime()

/** Addresses of related resources, by their relation. */
export const links = z
  .record(z.string(), z.string())
  .meta({ id: 'Links', description: 'Addresses on this Belfry, by their relation.' })

export const warning = z
  .strictObject({
    code: z.string().describe('What it is about, as one kebab-case word: what programs compare.'),
    detail: z.string().describe('The same as a sentence.'),
  })
  .meta({ id: 'Warning', description: 'What a caller should look at, although the call succeeded.' })
export type Warning = z.infer<typeof warning>

export const executionStatus = z.enum(executionStatuses).meta({
  id: 'ExecutionStatus',
  description:
    '`SCHEDULED`: it waits for its time. `RUNNING`. `RETRYING`: an attempt failed and another follows. Ended: `SUCCESS`, `FAILED`, `CANCELLED`, `SUPERSEDED` (the job was changed before it started), `SKIPPED` (another run was in its way), `EXPIRED` (it could not start in time), `LOST` (its executor was lost and it must not run twice).',
})

/** An execution as a job shows it. */
export const executionSummary = z
  .strictObject({
    id: z.string().describe('The id of the execution.'),
    status: executionStatus,
    fireAt: wireTime.describe('When it was to start.'),
    endedAt: wireTime.nullable().describe('When it ended; null while it has not.'),
  })
  .meta({ id: 'ExecutionSummary', description: 'An execution, in short.' })
export type ExecutionSummary = z.infer<typeof executionSummary>
