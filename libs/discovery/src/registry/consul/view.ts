import { backoffMs, type Clock, type Timer } from '@belfry/service'
import type { Instance } from '../port.ts'
import { type ConsulClient, callTimeoutMs } from './client.ts'
import type { Entry } from './entries.ts'

/** How long one blocking query waits for a change, milliseconds. */
const waitMs = 10_000
/** From the start of one query to the start of the next at least, milliseconds: a check that flaps, or an index that does not block, costs no more. */
export const spacingMs = 100
/** The longest time limit of a query that need not wait, milliseconds: each error doubles it, so that a slow Consul is followed too. */
const mostCallMs = 16_000
/** Waits after errors, milliseconds; each is shortened by up to a half at random, so that processes do not ask in step. */
const [firstRetryMs, mostRetryMs] = [250, 1_000]
/**
 * For how long after an outage an instance stays that is no longer listed, milliseconds. After its restart Consul takes each
 * instance for critical until the next check, and one that lost its data lists none until each has registered again.
 */
const settleMs = 5_000

export interface ViewOptions {
  /** In Consul. */
  readonly name: string
  readonly client: Pick<ConsulClient, 'list'>
  readonly clock: Clock
  /** The valid ones of Consul's entries, each id once. */
  readonly read: (entries: readonly unknown[]) => readonly Entry[]
  /** Called with the instances that calls may go to, when they have changed, in the order of their ids. */
  readonly onChange: (instances: readonly Instance[]) => void
  /** Called after each answer, with all entries, passing or not. */
  readonly onAnswer: (entries: readonly Entry[]) => void
  readonly onError: (error: unknown) => void
  /** From 0 up to 1. */
  readonly random: () => number
}

/** The instances of one service, followed by blocking queries. */
export interface View {
  /** Resolves at the first answer, or at the first error. */
  start(): Promise<void>
  stop(): void
  /** Whether the newest query was answered. */
  isCurrent(): boolean
}

function sorted(instances: Iterable<Instance>): Instance[] {
  return [...instances].sort((a, b) => (a.id < b.id ? -1 : 1))
}

function areSame(a: readonly Instance[], b: readonly Instance[]): boolean {
  const isSame = (one: Instance, other: Instance | undefined) =>
    one.id === other?.id && one.host === other.host && one.port === other.port
  return a.length === b.length && a.every((one, at) => isSame(one, b[at]))
}

/** Which index the next query waits on; null asks for an answer at once (Consul's rules of blocking queries). */
export function nextIndex(last: number | null, answered: number): number | null {
  const hasGoneBack = last !== null && answered < last
  return answered === 0 || hasGoneBack ? null : answered
}

export function createView(options: ViewOptions): View {
  const { name, client, clock, read, onChange, onAnswer, onError, random } = options
  let shown: readonly Instance[] = []
  let listed: readonly Instance[] = []
  let index: number | null = null
  let isStopped = false
  let isCurrent = false
  let hadAnswer = false
  /** Until when instances that are no longer listed stay, by the monotonic clock. */
  let keptUntil = Number.NEGATIVE_INFINITY
  let settling: Timer | undefined
  let pausing: Timer | undefined

  const show = () => {
    const kept = clock.monotonic() < keptUntil ? shown : []
    const byId = new Map([...kept, ...listed].map((one) => [one.id, one]))
    const next = sorted(byId.values())
    if (areSame(shown, next)) return
    shown = next
    onChange(shown)
  }

  const settleLater = () => {
    keptUntil = clock.monotonic() + settleMs
    settling?.cancel()
    settling = clock.callAfter(settleMs, () => {
      // During a further outage the last good list stays.
      if (isCurrent) show()
    })
  }

  const take = (entries: readonly unknown[], answered: number) => {
    const next = nextIndex(index, answered)
    // An index that goes back is that of a Consul that lost its data.
    if (hadAnswer && (!isCurrent || (index !== null && next === null))) settleLater()
    isCurrent = true
    hadAnswer = true
    index = next
    const valid = read(entries)
    const passing = valid.filter(({ isPassing }) => isPassing)
    // When no check passes the whole service is overloaded, or Consul reaches none of it: some calls may get through, none would without.
    const usable =
      passing.length > 0 ? passing : valid.filter(({ instance: { id } }) => shown.some((one) => one.id === id))
    listed = usable.map(({ instance }) => instance)
    show()
    onAnswer(valid)
  }

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      pausing = clock.callAfter(ms, resolve)
    })

  const follow = async (onFirst: () => void) => {
    for (let failures = 0; !isStopped; ) {
      const startedAt = clock.monotonic()
      try {
        const { entries, index: answered } = await client.list(
          name,
          index,
          waitMs,
          backoffMs(failures, callTimeoutMs, mostCallMs),
        )
        if (isStopped) return
        failures = 0
        take(entries, answered)
        onFirst()
        // Without an index the next query is answered at once.
        const leastMs = index === null ? mostRetryMs : spacingMs
        await pause(Math.max(0, leastMs - (clock.monotonic() - startedAt)))
      } catch (error) {
        if (isStopped) return
        isCurrent = false
        index = null
        onError(error)
        onFirst()
        const most = backoffMs(failures, firstRetryMs, mostRetryMs)
        failures += 1
        await pause(most * (1 - random() / 2))
      }
    }
  }

  return {
    start: () => new Promise((resolve) => void follow(resolve)),
    stop() {
      isStopped = true
      settling?.cancel()
      pausing?.cancel()
    },
    isCurrent: () => isCurrent,
  }
}
