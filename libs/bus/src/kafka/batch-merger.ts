import { backoffMs, type Clock, type Logger, pause } from '@belfry/service'
import type { ArrivedMessage } from '../codec.ts'

/** What was fetched of one partition, and the verbs of the client library for it. */
export interface FetchedBatch {
  readonly partition: number
  readonly messages: readonly ArrivedMessage[]
  /** The offset behind the newest message of the partition when this was fetched. */
  readonly highWatermark: bigint
  /** The messages up to this offset need not be fetched again. */
  resolveOffset(offset: string): void
  /** Commits what was resolved in all partitions. Rejects when the member has lost its partitions, or the broker is away. */
  commit(): Promise<void>
  /** Rejects when the member has to join its group again. */
  heartbeat(): Promise<void>
  /** Whether the member goes on. */
  isRunning(): boolean
}

export interface BatchMergerOptions {
  /** Stores messages. When it rejects, the same messages come again. */
  readonly handle: (messages: readonly ArrivedMessage[]) => Promise<void>
  readonly clock: Clock
  readonly log: Logger
  /** What `handle` gets at most at once; one message is handed over whatever its size. */
  readonly batchRows: number
  readonly batchBytes: number
  /** From one heartbeat to the next, milliseconds. */
  readonly heartbeatMs: number
  /** The first wait before messages come again, and the longest, milliseconds. */
  readonly retryFirstMs: number
  readonly retryMostMs: number
}

/**
 * Hands what was fetched to a handler, one batch at a time: the messages of several partitions together, those of one
 * partition in their order. Offsets are committed after the handler has stored the messages.
 */
export interface BatchMerger {
  /** Resolves when all messages are stored and committed, or when the merger has stopped. Rejects as `FetchedBatch` does. */
  take(fetched: FetchedBatch): Promise<void>
  /** Messages that are known to be in the partitions and were not handled yet. */
  lag(): number
  /** Forgets the lag: the partitions may belong to another member now. */
  forgetLag(): void
  /** Takes nothing more, and resolves when the current batch is stored and committed. */
  stop(): Promise<void>
}

/** A fetched batch on its way. */
interface Share {
  readonly fetched: FetchedBatch
  /** How many of its messages are stored. */
  stored: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The next messages of a share. */
interface Slice {
  readonly share: Share
  readonly messages: readonly ArrivedMessage[]
}

/** Sends heartbeats until it is ended; remembers the first one that failed. */
function keepAlive(clock: Clock, heartbeatMs: number, heartbeat: () => Promise<void>) {
  let failure: { readonly error: unknown } | null = null
  const ending = new AbortController()
  const beating = (async () => {
    while (!failure) {
      await pause(clock, heartbeatMs, ending.signal)
      if (ending.signal.aborted) return
      await heartbeat().catch((error: unknown) => {
        failure = { error }
      })
    }
  })()
  return {
    hasFailed: () => failure !== null,
    /** Rejects with the error of the heartbeat that failed. */
    async end() {
      ending.abort()
      await beating
      if (failure) throw failure.error
    },
  }
}

export function createBatchMerger(options: BatchMergerOptions): BatchMerger {
  const { handle, clock, log, batchRows, batchBytes, heartbeatMs, retryFirstMs, retryMostMs } = options
  let waiting: Share[] = []
  let working: Promise<void> | null = null
  let isFailing = false
  const stopping = new AbortController()
  const isStopped = () => stopping.signal.aborted
  const { promise: stopped, resolve: onStopped } = Promise.withResolvers<void>()
  const lags = new Map<number, number>()

  function noteLag({ fetched, stored }: Share): void {
    const last = fetched.messages[stored - 1]
    const next = last ? BigInt(last.offset) + 1n : BigInt(fetched.messages[0]?.offset ?? fetched.highWatermark)
    lags.set(fetched.partition, Number(fetched.highWatermark - next))
  }

  function nextSlices(shares: readonly Share[]): Slice[] {
    const slices: Slice[] = []
    let [rows, bytes] = [0, 0]
    for (const share of shares) {
      const { messages } = share.fetched
      const from = share.stored
      let to = from
      for (; to < messages.length; to += 1) {
        const size = messages[to]?.value.length ?? 0
        if (rows >= batchRows || (rows > 0 && bytes + size > batchBytes)) break
        rows += 1
        bytes += size
      }
      if (to > from) slices.push({ share, messages: messages.slice(from, to) })
      if (to < messages.length) break
    }
    return slices
  }

  /** Answers whether the messages are stored: not when the member has to stop or to join its group again before that. */
  async function store(messages: readonly ArrivedMessage[], mayGoOn: () => boolean): Promise<boolean> {
    for (let failures = 0; ; failures += 1) {
      try {
        await handle(messages)
        if (isFailing) log.info('messages are stored again')
        isFailing = false
        return true
      } catch (err) {
        if (!isFailing) log.warn({ err, messages: messages.length }, 'messages were not stored; they come again')
        isFailing = true
      }
      await pause(clock, backoffMs(failures, retryFirstMs, retryMostMs), stopping.signal)
      if (!mayGoOn()) return false
    }
  }

  /** One batch of the shares; answers whether it is stored and committed. */
  async function step(shares: readonly Share[], any: FetchedBatch): Promise<boolean> {
    const slices = nextSlices(shares)
    const alive = keepAlive(clock, heartbeatMs, any.heartbeat)
    const mayGoOn = () => !isStopped() && any.isRunning() && !alive.hasFailed()
    let isStored = false
    try {
      isStored = await store(
        slices.flatMap(({ messages }) => messages),
        mayGoOn,
      )
      if (!isStored) return false
      for (const { share, messages } of slices) {
        share.stored += messages.length
        const last = messages.at(-1)
        if (last) share.fetched.resolveOffset(last.offset)
        noteLag(share)
      }
      await any.commit()
    } finally {
      await alive.end()
    }
    await any.heartbeat()
    return true
  }

  async function drain(): Promise<void> {
    // The client library hands over all partitions of a fetch in one iteration of the event loop.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (waiting.length > 0) {
      const shares = waiting
      const any = shares[0]?.fetched
      if (!any) return
      try {
        const goesOn = !isStopped() && any.isRunning() && (await step(shares, any))
        const done = shares.filter(({ fetched, stored }) => !goesOn || stored === fetched.messages.length)
        waiting = waiting.filter((share) => !done.includes(share))
        for (const { resolve } of done) resolve()
      } catch (error) {
        waiting = waiting.filter((share) => !shares.includes(share))
        for (const { reject } of shares) reject(error)
      }
    }
  }

  function begin(): void {
    working ??= drain().finally(() => {
      working = null
      if (waiting.length > 0) begin()
    })
  }

  return {
    take(fetched) {
      if (fetched.messages.length === 0) return Promise.resolve()
      // Not before the current batch is done: the client library fetches at once again what was taken and not resolved.
      if (isStopped()) return stopped
      return new Promise<void>((resolve, reject) => {
        const share = { fetched, stored: 0, resolve, reject }
        noteLag(share)
        waiting.push(share)
        begin()
      })
    },
    lag: () => Array.from(lags.values()).reduce((sum, lag) => sum + lag, 0),
    forgetLag: () => lags.clear(),
    async stop() {
      stopping.abort()
      while (working) await working
      onStopped()
    },
  }
}
