import { duration, jsonObject, retryBody, timeoutBounds } from '@belfry/contracts'
import { describeIssues, type Handler } from '@belfry/worker'
import type { RawDescription, RunRules } from '@belfry/worker/runner'
import { z } from 'zod'

const defaultTimeoutMs = 3_600_000
const mostSlots = 10_000

const description = z.object({
  type: z
    .string()
    .regex(
      /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/,
      'must begin with a letter and have at most 64 letters, digits, "_", "." and "-"',
    ),
  title: z.string().min(1).max(200),
  description: z.string().max(2000).default(''),
  timeout: duration(timeoutBounds).default(defaultTimeoutMs),
  retry: retryBody.optional(),
  concurrency: z.number().int().min(1).max(mostSlots).default(mostSlots),
  slots: z.enum(['io', 'cpu']).default('cpu'),
  examples: z.array(jsonObject).max(20).default([]),
  params: jsonObject,
  result: jsonObject,
})

/** What a handler file says, as the executor uses it. */
export interface Described {
  readonly handler: Omit<Handler, 'run' | 'stop'>
  readonly rules: RunRules
}

/** Params are checked in the process, by the schema of the handler file. */
const anyParams = z.looseObject({})

/** Throws an `Error` whose message names each field that does not fit. */
export function readDescription(raw: RawDescription): Described {
  const read = description.safeParse(raw)
  if (!read.success) throw new Error(describeIssues(read.error.issues, 'the job type'))
  const {
    type,
    title,
    description: text,
    timeout: timeoutMs,
    retry,
    concurrency,
    slots,
    examples,
    params,
    result,
  } = read.data
  return {
    handler: {
      ...{ type, title, description: text, timeoutMs, slots, examples },
      ...(retry && { retry }),
      params: anyParams,
      result: z.unknown(),
      schemas: { params, result },
      waits: true,
    },
    rules: { isShared: slots === 'io', concurrency },
  }
}
