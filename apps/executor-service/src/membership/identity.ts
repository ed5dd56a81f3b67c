import { type Clock, elapsedSince, type Ids, type Moment, momentOf } from '@belfry/service'

export interface IdentityOptions {
  readonly ids: Ids
  readonly clock: Clock
  /**
   * How long this executor may go on starting after a sign of life got through, milliseconds. Null for a sole owner of the
   * store: no other executor takes anything over.
   */
  readonly leaseMs: number | null
  /** Whether the system is drained: nothing starts then, whatever the lease says. */
  readonly isDrained: () => boolean
}

/** The name under which this executor owns its attempts: a new one for each start, and after it was taken for dead. */
export interface Identity {
  /** Empty until the first record is there. */
  readonly name: string
  /** The name has a record, which is not known to be marked as gone. Nothing is claimed while it is false. */
  readonly isEnlisted: boolean
  /**
   * Whether what this executor owns may start at this moment (docs/protocol.md step 11): it is enlisted, and a sign of life that was
   * sent less than a lease ago has got through, and the system is not drained. It reads the clocks at each call, so a process that was stopped and goes on
   * gets the right answer before any other work.
   */
  mayStart(): boolean
  /** How long the lease lasts from now on, milliseconds; 0 or less when it has run out, infinite for a sole owner. */
  leftMs(): number
  /** A sign of life that was sent then has got through. Its answer may have come much later. */
  gotThrough(sentAt: Moment): void
  /** The record is gone, and with it all that the name owned. */
  resign(): void
  /** Takes another name, once `makeRecord` has made its record. */
  enlist(makeRecord: (name: string) => Promise<void>): Promise<void>
}

export function createIdentity({ ids, clock, leaseMs, isDrained }: IdentityOptions): Identity {
  let name = ''
  let isEnlisted = false
  let lastSentAt: Moment | null = null

  function leftMs(): number {
    if (leaseMs === null) return Number.POSITIVE_INFINITY
    return lastSentAt === null ? 0 : leaseMs - elapsedSince(clock, lastSentAt)
  }

  return {
    get name() {
      return name
    },
    get isEnlisted() {
      return isEnlisted
    },
    mayStart: () => isEnlisted && leftMs() > 0 && !isDrained(),
    leftMs,
    gotThrough(sentAt) {
      if (lastSentAt === null || sentAt.monotonic > lastSentAt.monotonic) lastSentAt = sentAt
    },
    resign() {
      isEnlisted = false
    },
    async enlist(makeRecord) {
      isEnlisted = false
      // Another name in each try: a record of an earlier one, whose answer was lost, may be marked as gone by now.
      const next = `executor-${ids.uuid()}`
      const sentAt = momentOf(clock)
      await makeRecord(next)
      name = next
      lastSentAt = sentAt
      isEnlisted = true
    },
  }
}
