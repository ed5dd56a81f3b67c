import { z } from 'zod'
import { executionStatuses } from '../states.ts'

/** A time in an answer: ISO 8601 in UTC. */
export const wireTime = z.iso.datetime()

/** Addresses of related resources, by their relation. */
export const links = z.record(z.string(), z.string())

export const warning = z.strictObject({ code: z.string(), detail: z.string() })
export type Warning = z.infer<typeof warning>

/** An execution as a job shows it. */
export const executionSummary = z.strictObject({
  id: z.string(),
  status: z.enum(executionStatuses),
  fireAt: wireTime,
  endedAt: wireTime.nullable(),
})
export type ExecutionSummary = z.infer<typeof executionSummary>
