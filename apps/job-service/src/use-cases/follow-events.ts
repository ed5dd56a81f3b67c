import type { EventStream } from '@belfry/http'
import type { Clock, Logger } from '@belfry/service'
import {
  advanced,
  type EventId,
  type EventPosition,
  type EventScope,
  eventIdText,
  findGap,
  isShown,
} from '../domain/events.ts'
import type { ChangeFeed, FeedPage } from './change-feed.ts'
import type { EventHub } from './event-hub.ts'

export interface FollowEventsOptions {
  readonly hub: EventHub
  readonly feed: ChangeFeed
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
  /** Changes that a client may be behind, at most, to go on where it stopped. */
  readonly behind: number
  /** What ended before this moment may have been removed, epoch milliseconds. */
  readonly keptSince: () => number
}

/** Of one stream: whose events it shows, the last id of its client (undefined for a new one), and the newest position. */
export interface FollowedEvents {
  readonly scope: EventScope
  readonly lastId: EventId | null | undefined
  readonly newest: EventPosition
}

/** What the hub holds after a position; what it does not hold is read from the stores. */
async function readAfter(
  { hub, feed }: Pick<FollowEventsOptions, 'hub' | 'feed'>,
  position: EventPosition,
): Promise<Omit<FeedPage, 'settled'>> {
  const held = hub.since(position)
  if (held) return held
  const upTo = hub.position() ?? position
  const { settled, ...page } = await feed.read(position)
  if (page.hasMore) return page
  // The last numbers may belong to no record any more: this reader passes over them once no record can come with one.
  const pass = (kind: keyof EventPosition) => Math.max(page.position[kind], Math.min(upTo[kind], settled[kind]))
  return { ...page, position: { jobs: pass('jobs'), executions: pass('executions') } }
}

/** Waits for what comes next: a change that the hub has read or, for a reader behind what the hub holds, its next look. */
function waitForMore(hub: EventHub, position: EventPosition, signal: AbortSignal): Promise<void> {
  const held = hub.since(position)
  if (held === null) return hub.looked(signal)
  return held.events.length > 0 ? Promise.resolve() : hub.changed(signal)
}

/**
 * Sends the events of a scope until the stream has ended. Each event has the id of the position after it, so that a client which comes
 * again with it gets every later change once. A client that cannot go on gets the event `gap` and begins at the newest change.
 */
export async function followEvents(
  stream: EventStream,
  { scope, lastId, newest }: FollowedEvents,
  options: FollowEventsOptions,
): Promise<void> {
  const { hub, clock, log, behind, keptSince } = options
  const idOf = (position: EventPosition) => eventIdText({ ...position, at: clock.now() })
  const gap = lastId === undefined ? null : findGap(lastId, newest, { behind, keptSince: keptSince() })
  let position: EventPosition = lastId && gap === null ? { jobs: lastId.jobs, executions: lastId.executions } : newest
  if (gap) stream.send({ id: idOf(position), event: 'gap', data: { reason: gap } })
  try {
    while (stream.isOpen) {
      const page = await readAfter(options, position)
      for (const event of page.events) {
        position = advanced(position, event)
        if (isShown(event, scope)) stream.send({ id: idOf(position), event: event.kind, data: event.data })
      }
      position = page.position
      stream.mark(idOf(position))
      await stream.ready()
      if (!page.hasMore) await waitForMore(hub, position, stream.closed)
    }
  } catch (err) {
    log.warn({ err }, 'a stream of events ended, because the changes could not be read')
    stream.end('unavailable')
  }
}
