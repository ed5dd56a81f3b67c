import type { Clock, Logger, Timer } from '@belfry/service'
import type { CursorStore } from '@belfry/storage'

/** While the system is drained, no executor starts an execution; what runs goes on, and new commands are stored. */
export interface Drain {
  /** Whether nothing may start at this moment. */
  isOn(): boolean
  /** When the drain ends by itself, epoch milliseconds; null for a drain without an end. Undefined while there is none. */
  until(): number | null | undefined
  /** Drains until a moment (null: without an end), or ends the drain (undefined); durable when it resolves. */
  set(until: number | null | undefined): Promise<void>
  /** Called when executions may start again. */
  onEnd(listener: () => void): void
  /** One look at what another executor has stored. A store that does not answer changes nothing. */
  runOnce(): Promise<void>
  /** Notices the end of the drain no more. */
  stop(): void
}

export interface DrainOptions {
  readonly cursors: CursorStore
  readonly clock: Clock
  readonly log: Logger
  /** No other process can open the store: nothing is stored there but by this process. */
  readonly isSoleOwner: boolean
}

/** Under which the end of the drain is stored: 0 without a drain. */
const cursorName = 'drained until'
const noEnd = Number.MAX_SAFE_INTEGER

export function createDrain({ cursors, clock, log, isSoleOwner }: DrainOptions): Drain {
  let end = 0
  let wasOn = false
  let isRead = false
  /** Calls that set the drain, one after the other; a look that overlaps one of them may have read what was before it. */
  let sets = 0
  let setting: Promise<void> = Promise.resolve()
  let timer: Timer | undefined
  const listeners: (() => void)[] = []
  const isOn = () => clock.now() < end

  function notice(): void {
    const isNow = isOn()
    timer?.cancel()
    if (isNow && end !== noEnd) timer = clock.callAt(end, notice)
    if (wasOn === isNow) return
    wasOn = isNow
    log.warn(isNow ? 'the system is drained: no execution starts' : 'the drain is over: executions start again')
    if (!isNow) for (const listener of listeners) listener()
  }

  async function write(next: number): Promise<void> {
    try {
      await cursors.write(cursorName, next)
      end = next
    } catch (error) {
      // It may be stored all the same.
      isRead = false
      throw error
    } finally {
      sets += 1
    }
    notice()
  }

  return {
    isOn,
    until: () => (isOn() ? (end === noEnd ? null : end) : undefined),
    onEnd: (listener) => void listeners.push(listener),
    set(until) {
      const next = until === undefined ? 0 : (until ?? noEnd)
      const written = setting.then(() => write(next))
      setting = written.catch(() => undefined)
      return written
    },
    async runOnce() {
      try {
        if (!isRead || !isSoleOwner) {
          const before = sets
          const stored = await cursors.read(cursorName)
          if (before === sets) [end, isRead] = [stored, true]
        }
      } catch (err) {
        log.warn({ err }, 'whether the system is drained could not be read')
      }
      notice()
    },
    stop: () => timer?.cancel(),
  }
}
