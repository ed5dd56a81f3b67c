import { z } from 'zod'
import { artifactInfo, executionError } from '../messages.ts'
import { attemptOutcomes, executionCauses, executionStatuses, fireDecisions } from '../states.ts'
import { jsonObject } from '../values.ts'
import { links, wireTime } from './parts.ts'

export const attemptView = z.strictObject({
  epoch: z.number().int(),
  executor: z.string(),
  startedAt: wireTime.nullable(),
  endedAt: wireTime.nullable(),
  outcome: z.enum(attemptOutcomes).nullable(),
  error: executionError.nullable(),
})

export const executionView = z.strictObject({
  id: z.string(),
  jobId: z.string(),
  jobName: z.string(),
  jobType: z.string(),
  jobVersion: z.number().int(),
  ownerId: z.string(),
  status: z.enum(executionStatuses),
  /**
   * What a due execution waits for: a slot, an overlap place of its job (`blockedBy` holds it), or an executor that has its job
   * type; null when it does not wait.
   */
  waitingFor: z.enum(['slot', 'place', 'job-type']).nullable(),
  cause: z.enum(executionCauses),
  /** The reason given with the trigger. */
  reason: z.string().nullable(),
  fireAt: wireTime,
  /** When the next attempt starts; null while running and once ended. */
  nextAttemptAt: wireTime.nullable(),
  startedAt: wireTime.nullable(),
  endedAt: wireTime.nullable(),
  durationMs: z.number().int().nullable(),
  /** How late the first attempt started after `fireAt`, milliseconds. */
  latenessMs: z.number().int().nullable(),
  attempts: z.array(attemptView),
  /** The params of its trigger, else those of the job. */
  params: jsonObject,
  result: z.unknown(),
  error: executionError.nullable(),
  artifacts: z.array(artifactInfo),
  blockedBy: z.string().nullable(),
  /** The reason that it did not run, or not to its end, as a sentence; null where there is none. */
  statusReason: z.string().nullable(),
  retryOf: z.string().nullable(),
  timeline: z.strictObject({
    plannedAt: wireTime,
    sentAt: wireTime.nullable(),
    admittedAt: wireTime.nullable(),
    startedAt: wireTime.nullable(),
    endedAt: wireTime.nullable(),
    topic: z.string().nullable(),
    partition: z.number().int().nullable(),
    offset: z.string().nullable(),
  }),
  links,
})
export type ExecutionView = z.infer<typeof executionView>

/** An execution in a list: `params` and `result` only when `fields` asks for them. */
export const listedExecutionView = executionView.partial({ params: true, result: true })
export type ListedExecutionView = z.infer<typeof listedExecutionView>

export const logLevels = ['debug', 'info', 'warn', 'error'] as const

export const logLine = z.strictObject({
  seq: z.number().int(),
  epoch: z.number().int(),
  at: wireTime,
  level: z.enum(logLevels),
  text: z.string(),
})
export type LogLine = z.infer<typeof logLine>

/** Fire times without an execution: `count` of them, the first at `from`, the last at `to`. */
export const fireRangeView = z.strictObject({
  from: wireTime,
  to: wireTime,
  count: z.number().int(),
  decision: z.enum(fireDecisions),
  /** One kebab-case word. */
  reason: z.string(),
  /** The job's version whose fire times they were. */
  version: z.number().int(),
})
export type FireRangeView = z.infer<typeof fireRangeView>
