import type { Clock } from './clock.ts'

/** A moment on both clocks of this machine, milliseconds. */
export interface Moment {
  readonly monotonic: number
  readonly wall: number
}

type Clocks = Pick<Clock, 'now' | 'monotonic'>

export function momentOf(clock: Clocks): Moment {
  return { monotonic: clock.monotonic(), wall: clock.now() }
}

/**
 * Milliseconds since `moment` by the monotonic clock or the wall clock, whichever says more. The monotonic clock may stand still
 * while a machine is suspended, and the wall clock may be set back; what must not be relied on for too long uses this.
 */
export function elapsedSince(clock: Clocks, moment: Moment): number {
  return Math.max(clock.monotonic() - moment.monotonic, clock.now() - moment.wall)
}
