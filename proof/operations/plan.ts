import { createRandom } from '../random.ts'

/** What is done to a job: an update of its params, an update of its schedule, a pause with or without a resume, or an end. */
const operations = ['update', 'update', 'reschedule', 'pause', 'pause', 'delete', 'delete', 'cancel'] as const
type Operation = (typeof operations)[number]

/** Distance of the fire times of a job, and of those after a `reschedule`, milliseconds. */
export const usualEveryMs = 15_000
export const otherEveryMs = 5_000
/** A job fires at its start and once more; a `reschedule` adds the times in between, and two behind. */
export const spanMs = 3 * otherEveryMs
export const otherSpanMs = spanMs + 2 * otherEveryMs
/** How long before its first fire time a job is made, milliseconds. */
export const madeBeforeMs = 15_000

/** Times are milliseconds after the begin of the run. */
export interface PlannedJob {
  readonly index: number
  readonly firstAt: number
  readonly operation: Operation
  /** When the operation is asked for. */
  readonly operateAt: number
  /** When the paused job is resumed; null when it is not. */
  readonly resumeAt: number | null
}

/**
 * Which jobs there are, and when what is done to each: at a random offset around one of its two fire times, from before it is
 * handed to the executors (4.6 s ahead) until after it has run. The same seed gives the same plan.
 */
export function makePlan(seed: number, count: number, jobsPerSecond: number): PlannedJob[] {
  const random = createRandom(seed)
  return Array.from({ length: count }, (_, index) => {
    const firstAt = madeBeforeMs + 2_000 + Math.round((index * 1000) / jobsPerSecond)
    const operation = random.oneOf(operations)
    const aim = firstAt + random.oneOf([0, usualEveryMs])
    // Half of them close to the fire time itself.
    const offset = random.oneOf([random.between(-6_000, 2_000), random.between(-300, 300)])
    const operateAt = aim + offset
    const isResumed = operation === 'pause' && random.fraction() < 0.7
    return { index, firstAt, operation, operateAt, resumeAt: isResumed ? operateAt + random.between(100, 9_000) : null }
  })
}
