import { type Clock, createLoop, type Logger, type Loop } from '@belfry/service'
import { advanced, type EventPosition, type FeedEvent, isAfter } from '../domain/events.ts'
import type { ChangeFeed, FeedPage } from './change-feed.ts'

/** Reads the changes once for all streams of this instance. */
export interface EventHub {
  /** One more stream is there: the hub reads while there is one. Answers the newest position; call the function when it has gone. */
  join(): Promise<{ readonly position: EventPosition; leave(): void }>
  /** Up to where the hub has read; null without a stream. */
  position(): EventPosition | null
  /** What came after the position; null when the hub does not hold all of it any more. */
  since(position: EventPosition): Omit<FeedPage, 'settled'> | null
  /** Resolves when there is something new, and when the signal is aborted. */
  changed(signal: AbortSignal): Promise<void>
  /** Resolves when the hub has looked for changes once more, and when the signal is aborted. */
  looked(signal: AbortSignal): Promise<void>
  /** Reads soon: this instance has changed something. */
  nudge(): void
  stop(): Promise<void>
}

export interface EventHubOptions {
  readonly feed: ChangeFeed
  readonly clock: Clock
  readonly log: Logger
  /** How often changes are read, milliseconds. */
  readonly pollMs: number
  /** Events that are held for streams. */
  readonly heldEvents: number
}

/** How long a nudge waits for others, milliseconds. */
const lingerMs = 20

/** Readers that wait for the same thing, and go on together. */
function createWaitingReaders() {
  let waiting: (() => void)[] = []
  return {
    wake(): void {
      const woken = waiting
      waiting = []
      for (const goOn of woken) goOn()
    },
    /** Resolves at the next `wake`, and when the signal is aborted. */
    wait(signal: AbortSignal): Promise<void> {
      if (signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const goOn = () => {
          signal.removeEventListener('abort', goOn)
          resolve()
        }
        signal.addEventListener('abort', goOn)
        waiting.push(goOn)
      })
    },
  }
}

export function createEventHub({ feed, clock, log, pollMs, heldEvents }: EventHubOptions): EventHub {
  /** Oldest first; all that came after `from`. */
  let held: FeedEvent[] = []
  let from: EventPosition | null = null
  let position: EventPosition | null = null
  let streams = 0
  const upToDate = createWaitingReaders()
  const behind = createWaitingReaders()
  let loop: Loop | null = null
  let first: Promise<void> | null = null
  /** A turn that the end of the last stream has overtaken changes nothing any more. */
  let ends = 0
  let gone = new AbortController()

  function hold(events: readonly FeedEvent[]): void {
    held.push(...events)
    const dropped = held.splice(0, Math.max(0, held.length - heldEvents))
    for (const event of dropped) from = from && advanced(from, event)
  }

  async function turn(): Promise<boolean> {
    const begun = ends
    if (!position) {
      const head = await feed.head(gone.signal)
      if (begun === ends) position = from = head
      return false
    }
    const page = await feed.read(position)
    if (begun !== ends) return false
    position = page.position
    if (page.events.length > 0) {
      hold(page.events)
      upToDate.wake()
    }
    return page.hasMore
  }

  /** A reader that is behind looks for itself, whether or not this turn could. */
  async function turnAndWake(): Promise<boolean> {
    try {
      return await turn()
    } finally {
      behind.wake()
    }
  }

  async function begin(): Promise<void> {
    const begun = ends
    loop ??= createLoop({ name: 'events', everyMs: pollMs, lingerMs, clock, log, runOnce: turnAndWake })
    if (!position) await firstTurn(loop)
    if (begun === ends) loop.start()
  }

  /** One turn for all streams that wait for a position: a turn of each, one after another, would hold up those behind it. */
  async function firstTurn(begun: Loop): Promise<void> {
    const turned = first ?? begun.runOnce()
    first = turned
    try {
      await turned
    } finally {
      if (first === turned) first = null
    }
  }

  /** Without a stream nothing is read. The next stream begins at a new head. */
  async function end(): Promise<void> {
    const ending = loop
    ends += 1
    first = null
    gone.abort()
    gone = new AbortController()
    loop = null
    held = []
    from = position = null
    await ending?.stop()
  }

  return {
    async join() {
      streams += 1
      let isThere = true
      const leave = () => {
        if (!isThere) return
        isThere = false
        streams -= 1
        if (streams === 0) void end()
      }
      try {
        await begin()
      } catch (error) {
        leave()
        throw error
      }
      return { position: position ?? (await feed.head(gone.signal)), leave }
    },
    position: () => position,
    since(after) {
      if (!from || !position || after.jobs < from.jobs || after.executions < from.executions) return null
      return { events: held.filter((event) => isAfter(event, after)), position, hasMore: false }
    },
    changed: upToDate.wait,
    looked: behind.wait,
    nudge: () => loop?.nudge(),
    stop: end,
  }
}
