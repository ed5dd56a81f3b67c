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

  return {
    isOn,
    until: () => (isOn() ? (end === noEnd ? null : end) : undefined),
    onEnd: (listener) => void listeners.push(listener),
    async set(until) {
      const next = until === undefined ? 0 : (until ?? noEnd)
      await cursors.write(cursorName, next)
      end = next
      notice()
    },
    async runOnce() {
      try {
        if (!isRead || !isSoleOwner) end = await cursors.read(cursorName)
        isRead = true
      } catch (err) {
        log.warn({ err }, 'whether the system is drained could not be read')
      }
      notice()
    },
    stop: () => timer?.cancel(),
  }
}
