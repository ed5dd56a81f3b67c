import type { Clock, Timer } from './clock.ts'
import type { Logger } from './log.ts'

export interface LoopOptions {
  /** Names the loop in log lines. */
  name: string
  /**
   * From the start of one turn to the start of the next, milliseconds, and less by up to 250 after a turn between two common times
   * (`commonTimesMs`). A turn that takes longer delays the next.
   */
  everyMs: number
  /** How long a nudge waits for others to join it, milliseconds. */
  lingerMs?: number
  /** One turn; may be async. Answers true when there is more to do at once, anything else when not. */
  runOnce: () => unknown
  clock: Clock
  log: Logger
}

/** A job that is done again and again, never twice at a time. */
export interface Loop {
  /** The first turn begins as soon as the caller has let go of the thread. */
  start(): void
  /** No turn begins any more; resolves when the one at work has ended. */
  stop(): Promise<void>
  /** Asks for a turn soon. During a turn it asks for one more after it; nothing happens before start and after stop. */
  nudge(): void
  /** One turn now, after the one at work if there is one; rejects with what the turn throws. For tests and routes. */
  runOnce(): Promise<void>
}

/**
 * The turns of loops come at multiples of so many milliseconds of the monotonic clock, where their period is no shorter. So an idle
 * process wakes once for all of them, and their calls reach the store thread together: 0.62 of the CPU of an idle Belfry (P8).
 */
const commonTimesMs = 250

/**
 * When a loop begins its next turn after one that began at `startedAt`, monotonic milliseconds: the last common time within the period. Also
 * for work that only some turns of a loop do: a wait that is counted from the end of the work passes over the turn that comes one
 * period later.
 */
export function nextTurnAt(startedAt: number, everyMs: number): number {
  const step = Math.min(everyMs, commonTimesMs)
  return Math.floor((startedAt + everyMs) / step) * step
}

/** A turn that throws is logged with the loop's name (once until a turn works again), and the loop goes on. */
export function createLoop({ name, everyMs, lingerMs = 0, runOnce, clock, log }: LoopOptions): Loop {
  let isStarted = false
  let timer: Timer | undefined
  let isNudged = false
  let atWork: Promise<void> | undefined
  let failures = 0

  const schedule = (delayMs: number) => {
    timer?.cancel()
    timer = clock.callAfter(delayMs, () => void turn())
  }

  const guarded = async (): Promise<boolean> => {
    try {
      const more = await runOnce()
      if (failures > 0) log.info({ loop: name, failures }, 'loop works again')
      failures = 0
      return more === true
    } catch (err) {
      failures += 1
      if (failures === 1) log.error({ loop: name, err }, 'loop failed')
      return false
    }
  }

  const turn = async () => {
    if (!isStarted) return
    if (atWork) {
      // A turn by `runOnce`: the next one follows it, or the loop would stop here.
      isNudged = true
      return
    }
    isNudged = false
    const startedAt = clock.monotonic()
    let more = false
    const work = guarded().then((answer) => {
      more = answer
    })
    atWork = work
    await work
    atWork = undefined
    if (!isStarted) return
    if (more) schedule(0)
    else if (isNudged) schedule(lingerMs)
    else schedule(Math.max(0, nextTurnAt(startedAt, everyMs) - clock.monotonic()))
  }

  return {
    start() {
      if (isStarted) return
      isStarted = true
      schedule(0)
    },
    async stop() {
      isStarted = false
      timer?.cancel()
      await atWork
    },
    nudge() {
      if (!isStarted || isNudged) return
      isNudged = true
      if (!atWork) schedule(lingerMs)
    },
    async runOnce() {
      while (atWork) await atWork
      const work = Promise.resolve().then(runOnce)
      // A waiter for the current turn does not see its failure; the caller of that turn does.
      atWork = work.then(
        () => undefined,
        () => undefined,
      )
      await atWork
      atWork = undefined
      if (isStarted && isNudged) schedule(lingerMs)
      await work
    },
  }
}
