import type { Topic } from '@belfry/contracts'
import { type Clock, createLoop, type Logger, type Metrics } from '@belfry/service'
import { createBacklog, type RowKey, type Unpublished } from './backlog.ts'
import type { PoisonStore } from './consumer.ts'
import { type Bus, TooLargeError } from './port.ts'
import { keepTooLarge } from './too-large.ts'

/** That the state `seq` of a record was published. */
export interface PublishedMark<K extends RowKey = RowKey> {
  readonly rowId: K
  readonly seq: number
}

/** The first records that are not yet published; `hasMore`: the page was cut by one of its bounds. */
export interface UnpublishedPage<T extends Topic, K extends RowKey = RowKey> {
  readonly rows: readonly Unpublished<T, K>[]
  readonly hasMore: boolean
}

/** The records of one store, as the relay sees them. */
export interface RelaySource<T extends Topic, K extends RowKey = RowKey> {
  /** At most `limit` records, of at most `bytes` unless it is one, whose newest state is not marked as published. */
  readUnpublished(limit: number, bytes: number): Promise<UnpublishedPage<T, K>>
  /** Raises each record's mark to `seq`, and never lowers it: a newer state of the record stays unpublished. */
  markPublished(marks: readonly PublishedMark<K>[]): Promise<void>
}

/** Sizes and times; every one has a default. */
export interface RelayOptions<T extends Topic, K extends RowKey = RowKey> {
  /** Names the relay in log lines and metrics. */
  readonly name: string
  readonly topic: T
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly source: RelaySource<T, K>
  /** Keeps a state that is too large for the bus. It counts as published, so that it holds up no other. */
  readonly poison: PoisonStore
  /** How long an offer waits for others, as Kafka's `linger.ms`, milliseconds. Default 20. */
  readonly lingerMs?: number
  /** So many records are published without waiting longer. Default 200. */
  readonly lingerRows?: number
  /** Records in one publish at most. Default 1,000. */
  readonly batchRows?: number
  /** From one sweep to the next, and from a failed publish to the next try, milliseconds. Default 1,000. */
  readonly sweepMs?: number
  /** Records that a sweep reads at once. Default 1,000. */
  readonly pageRows?: number
  /** Records that may wait here; the sweep finds what is offered beyond. Default 20,000. */
  readonly waitingRows?: number
  /** What may wait here, bytes. Default 16 MiB. */
  readonly waitingBytes?: number
  /** How far ahead of the moment at which it is needed a state goes before those that are needed later, milliseconds. Default 10,000. */
  readonly soonMs?: number
  /** What one publish holds and what a sweep reads at once, bytes. Default 4 MiB. */
  readonly batchBytes?: number
}

/** Publishes what its source has not yet published (docs/protocol.md step 4). */
export interface Relay<T extends Topic, K extends RowKey = RowKey> {
  start(): void
  /** Publishes what was offered, unless the bus does not take it, and waits for its marks. May be called twice. */
  stop(): Promise<void>
  /** Publishes what waits, then what a sweep finds. Rejects when the source cannot be read. */
  runOnce(): Promise<void>
  /** States that were just committed: they need not be read again. Never rejects, never blocks; nothing before `start`. */
  offer(rows: readonly Unpublished<T, K>[]): void
  /** Records that wait or are under way. 0 while publishing fails: how long they wait is not for their senders to decide then. */
  waiting(): number
  /** Calls back whenever fewer records wait. */
  onRoom(listener: () => void): void
}

const mib = 1024 * 1024

/**
 * The relay publishes whole states, the newest of each record only, one publish at a time. Offers are a shortcut past the
 * store; the sweep finds the rest: states from before a crash, and what did not fit. Every newest state is published at
 * least once.
 */
export function createRelay<T extends Topic, K extends RowKey>(options: RelayOptions<T, K>): Relay<T, K> {
  const { name, topic, bus, clock, source } = options
  const { lingerMs = 20, lingerRows = 200, batchRows = 1000 } = options
  const { sweepMs = 1000, pageRows = 1000, waitingRows = 20_000 } = options
  const { waitingBytes = 16 * mib, batchBytes = 4 * mib, soonMs = 10_000 } = options
  const log = options.log.child({ relay: name })
  const isSoon = (neededAt: number) => neededAt - clock.now() <= soonMs
  const backlog = createBacklog<T, K>({ rows: waitingRows, bytes: waitingBytes }, isSoon)
  const onRoom: (() => void)[] = []
  let phase: 'new' | 'running' | 'stopped' = 'new'
  let sweepAt = 0
  let isFailing = false
  let publishing: Promise<void> | null = null
  let marking: Promise<void> = Promise.resolve()

  const loop = createLoop({ name: `relay ${name}`, everyMs: sweepMs, lingerMs, runOnce, clock, log })

  options.metrics.gauge('belfry_relay_pending', 'Records that wait to be published', ['relay'], (gauge) =>
    gauge.set({ relay: name }, backlog.size()),
  )
  options.metrics.gauge('belfry_relay_oldest_seconds', 'Longest time a record has waited', ['relay'], (gauge) =>
    gauge.set({ relay: name }, (clock.monotonic() - (backlog.oldest() ?? clock.monotonic())) / 1000),
  )

  /** From here on offers only wait; the loop's next regular iteration tries again. */
  function onFailure(err: unknown): void {
    if (!isFailing) log.warn({ err }, 'publishing failed, trying again')
    isFailing = true
    for (const listener of onRoom) listener()
  }

  async function mark(rows: readonly Unpublished<T, K>[]): Promise<void> {
    try {
      await source.markPublished(rows.map(({ rowId, seq }) => ({ rowId, seq })))
      if (isFailing) log.info('publishing works again')
      isFailing = false
    } catch (err) {
      // They stay unpublished in the store: the sweep finds them, and sends them once more.
      onFailure(err)
    }
  }

  /** Rejects when the bus did not take the states, or a state that it never takes could not be kept. */
  async function handOver(rows: readonly Unpublished<T, K>[]): Promise<void> {
    try {
      await bus.publish(topic, rows)
    } catch (error) {
      if (!(error instanceof TooLargeError)) throw error
      await keepTooLarge({ topic, sender: `relay ${name}`, poison: options.poison, log }, rows, error)
    }
  }

  /** Answers how many were published. Marks are written while the next batch is under way, but at most one batch's. */
  async function publishBatch(): Promise<number> {
    const rows = backlog.take({ rows: batchRows, bytes: batchBytes })
    try {
      await handOver(rows)
    } catch (err) {
      backlog.putBack()
      onFailure(err)
      return 0
    }
    backlog.done()
    for (const listener of onRoom) listener()
    await marking
    marking = mark(rows)
    return rows.length
  }

  /** Publishes what waits now, and goes on while `lingerRows` have come meanwhile. */
  async function publishWaiting(): Promise<void> {
    let left = backlog.size()
    while (left > 0 || backlog.size() >= lingerRows) {
      const published = await publishBatch()
      if (published === 0) return
      left -= published
    }
    if (backlog.size() > 0) loop.nudge()
  }

  function publish(): Promise<void> {
    publishing ??= publishWaiting().finally(() => {
      publishing = null
    })
    return publishing
  }

  /** Answers whether there is more to read: the page was cut, and it held states that did not wait here. */
  async function sweepPage(): Promise<boolean> {
    await marking
    const { rows, hasMore } = await source.readUnpublished(pageRows, batchBytes)
    const added = backlog.add(rows, clock.monotonic())
    await publish()
    return hasMore && added > 0
  }

  async function sweep(): Promise<void> {
    while ((await sweepPage()) && !isFailing && phase !== 'stopped');
  }

  async function runOnce(): Promise<void> {
    const now = clock.monotonic()
    await publish()
    if (now < sweepAt) return
    // A little less than a period: an iteration that is a microsecond early would put the sweep off by a whole period.
    sweepAt = now + sweepMs - lingerMs
    await sweep()
  }

  return {
    start() {
      phase = 'running'
      loop.start()
    },
    async stop() {
      phase = 'stopped'
      await loop.stop()
      await publishing
      await publish()
      await marking
    },
    async runOnce() {
      sweepAt = 0
      await loop.runOnce()
    },
    offer(rows) {
      if (phase !== 'running') return
      backlog.add(rows, clock.monotonic())
      if (isFailing) return
      if (backlog.size() < lingerRows) loop.nudge()
      else void publish()
    },
    waiting: () => (isFailing ? 0 : backlog.size() + backlog.underWay()),
    onRoom: (listener) => void onRoom.push(listener),
  }
}
