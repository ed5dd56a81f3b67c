import { z } from 'zod'
import type { Clock } from './clock.ts'
import type { ServiceDeps } from './deps.ts'
import { createLoop, type Loop } from './loop.ts'

/** The keys of the clock watch in the configuration of a process. */
export const clockWatchConfig = {
  /** How often the wall clock is compared with the monotonic clock, milliseconds. */
  clockWatchMs: z.coerce.number().int().min(100).default(5_000),
  /** Between two comparisons the two may come apart by so much before it counts as a step of the clock, milliseconds. */
  clockStepMs: z.coerce.number().int().min(10).default(1_000),
}

/**
 * Answers by how much the wall clock was set since the previous call, milliseconds: positive for forward, negative for back.
 * A machine that has slept shows as forward, since its monotonic clock stood still.
 */
function createStepMeter(clock: Clock): () => number {
  const offset = () => clock.now() - clock.monotonic()
  let last = offset()
  return () => {
    const before = last
    last = offset()
    return Math.round(last - before)
  }
}

/** A clock that goes back by less, milliseconds, only makes waits that much longer. */
const leastSetBackMs = 1_000

/**
 * Since when the wall clock has not been set back, epoch milliseconds on that clock: times that this process took of it
 * since then lie between this moment and now. At first the moment of creation; each call looks at the clocks once.
 */
export function createSteadySince(clock: Clock): () => number {
  const stepMs = createStepMeter(clock)
  let since = clock.now()
  let lookedAt = clock.monotonic()
  return () => {
    const elapsedMs = clock.monotonic() - lookedAt
    lookedAt = clock.monotonic()
    if (stepMs() <= -leastSetBackMs) since = clock.now() - Math.ceil(elapsedMs)
    return since
  }
}

export interface ClockWatchOptions {
  readonly deps: Pick<ServiceDeps, 'clock' | 'log' | 'metrics'>
  readonly config: z.output<z.ZodObject<typeof clockWatchConfig>>
}

/** Logs and counts each step of the wall clock: one watch for a process. */
export function createClockWatch({ deps: { clock, log, metrics }, config }: ClockWatchOptions): Loop {
  const steps = metrics.counter('belfry_clock_steps_total', 'Times that the clock was set', ['direction'])
  const stepMs = createStepMeter(clock)
  function runOnce(): void {
    const byMs = stepMs()
    if (Math.abs(byMs) < config.clockStepMs) return
    steps.inc({ direction: byMs < 0 ? 'back' : 'forward' })
    const about = { byMs, clockAt: new Date(clock.now()).toISOString() }
    if (byMs < 0) log.warn(about, 'the clock was set back: what is due comes that much later')
    else log.info(about, 'the clock was set forward, or this machine has slept')
  }
  return createLoop({ name: 'clock watch', everyMs: config.clockWatchMs, runOnce, clock, log })
}
