import type { Clock } from '@belfry/service'
import type { EncodedMessage } from '../codec.ts'
import { BusError, TooLargeError, type TooLargeMessage } from '../port.ts'

/** The broker refuses a batch because of its size; each half of it may fit. */
export class BatchTooLarge extends Error {}

export interface SenderOptions {
  /** The topic's name at the broker, for error texts. */
  readonly name: string
  /** Hands a batch to the broker. Rejects with `BatchTooLarge`; any other error says that it may not be there. */
  readonly send: (messages: readonly EncodedMessage[]) => Promise<void>
  readonly clock: Clock
  /** What may wait here: messages, and bytes of them. A publish is taken whatever its size when nothing waits. */
  readonly waitingRows: number
  readonly waitingBytes: number
  /** What one batch holds; one message is sent whatever its size. */
  readonly batchRows: number
  readonly batchBytes: number
  /** Bytes of the largest value that is sent at all. */
  readonly valueBytes: number
  /** How long a publish may wait for the broker, milliseconds. */
  readonly timeoutMs: number
}

/** Sends the messages of one topic, one batch at a time, so that those of a key keep their order. */
export interface Sender {
  /** Resolves once the broker has them; rejects with a `BusError` within `timeoutMs`. */
  publish(messages: readonly EncodedMessage[]): Promise<void>
  /** Since when the batch under way has been so, monotonic milliseconds; null while none is. */
  sendingSince(): number | null
  /** Messages that wait or are under way. */
  waiting(): number
  /** Resolves when every publish has been answered. */
  idle(): Promise<void>
}

/** One call of `publish`. */
interface Publish {
  readonly messages: readonly EncodedMessage[]
  readonly bytes: number
  readonly tooLarge: TooLargeMessage[]
  /** How many are or were in a batch, and how many are done with. */
  taken: number
  handled: number
  /** Answers the caller; only the first call counts. */
  settle(error: BusError | null): void
}

/** One message of a publish. */
interface Part {
  readonly publish: Publish
  readonly index: number
  readonly message: EncodedMessage
}

/** What a record takes up besides its key, value and headers, bytes. */
const recordBytes = 64

/** About how many bytes a message takes up in a batch. */
function sizeOf({ key, value, headers }: EncodedMessage): number {
  let size = recordBytes + key.length + value.length
  for (const name in headers) size += name.length + (headers[name]?.length ?? 0) + 4
  return size
}

export function createSender(options: SenderOptions): Sender {
  const { name, send, clock, waitingRows, waitingBytes, batchRows, batchBytes, valueBytes, timeoutMs } = options
  let queue: Publish[] = []
  /** Publishes that have not been answered. */
  const open = new Map<Publish, Promise<void>>()
  let rows = 0
  let bytes = 0
  let since: number | null = null
  let isWorking = false

  function settle(publish: Publish, error: BusError | null): void {
    if (!open.delete(publish)) return
    rows -= publish.messages.length
    bytes -= publish.bytes
    queue = queue.filter((one) => one !== publish)
    publish.settle(error)
  }

  function refuse({ publish, index, message }: Part): void {
    publish.tooLarge.push({ index, bytes: message.value.length })
  }

  function finish({ publish }: Part): void {
    publish.handled += 1
    if (publish.handled < publish.messages.length) return
    const { tooLarge } = publish
    settle(publish, tooLarge.length > 0 ? new TooLargeError(tooLarge.toSorted((a, b) => a.index - b.index)) : null)
  }

  /** A batch that is too large is halved until the messages that are too large by themselves are alone. */
  async function sendParts(parts: readonly Part[]): Promise<void> {
    try {
      await send(parts.map(({ message }) => message))
    } catch (error) {
      if (!(error instanceof BatchTooLarge)) throw error
      const [first] = parts
      if (parts.length === 1 && first) return refuse(first)
      const middle = Math.ceil(parts.length / 2)
      await sendParts(parts.slice(0, middle))
      await sendParts(parts.slice(middle))
    }
  }

  function takeBatch(): Part[] {
    const parts: Part[] = []
    let size = 0
    for (const publish of queue) {
      for (; publish.taken < publish.messages.length; publish.taken += 1) {
        const message = publish.messages[publish.taken] as EncodedMessage
        const part = { publish, index: publish.taken, message }
        const added = sizeOf(message)
        if (parts.length >= batchRows || (parts.length > 0 && size + added > batchBytes)) return parts
        parts.push(part)
        size += added
      }
    }
    return parts
  }

  async function sendBatch(parts: readonly Part[]): Promise<void> {
    const isFit = (part: Part) => part.message.value.length <= valueBytes
    for (const part of parts) if (!isFit(part)) refuse(part)
    const fitting = parts.filter(isFit)
    try {
      if (fitting.length > 0) await sendParts(fitting)
      for (const part of parts) finish(part)
    } catch (cause) {
      const error = new BusError('bus-unavailable', `${name} does not take messages: ${cause}`, { cause })
      for (const { publish } of parts) settle(publish, error)
    }
  }

  async function work(): Promise<void> {
    if (isWorking) return
    isWorking = true
    // What is published in this iteration of the event loop goes out together.
    await new Promise<void>((resolve) => setImmediate(resolve))
    for (;;) {
      const parts = takeBatch()
      queue = queue.filter((one) => one.taken < one.messages.length)
      if (parts.length === 0) break
      since = clock.monotonic()
      await sendBatch(parts)
      since = null
    }
    isWorking = false
  }

  /** After a wait of `timeoutMs` for nothing, callers learn at once that the broker takes nothing. */
  function refuseHopeless(): void {
    if (since === null || clock.monotonic() - since < timeoutMs) return
    throw new BusError(
      'bus-unavailable',
      `${name} has taken no messages for ${Math.round(clock.monotonic() - since)} ms`,
    )
  }

  function refuseOverflow(count: number, added: number): void {
    if (rows === 0) return
    if (rows + count > waitingRows)
      throw new BusError('bus-full', `${rows} messages wait for ${name}, ${waitingRows} may`)
    if (bytes + added > waitingBytes)
      throw new BusError('bus-full', `${bytes} bytes wait for ${name}, ${waitingBytes} may`)
  }

  return {
    async publish(messages) {
      if (messages.length === 0) return
      const added = messages.reduce((sum, message) => sum + sizeOf(message), 0)
      refuseHopeless()
      refuseOverflow(messages.length, added)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const publish: Publish = {
        messages,
        bytes: added,
        tooLarge: [],
        taken: 0,
        handled: 0,
        settle(error) {
          timer.cancel()
          if (error) reject(error)
          else resolve()
        },
      }
      const timer = clock.callAfter(timeoutMs, () =>
        settle(publish, new BusError('bus-unavailable', `${name} did not take messages within ${timeoutMs} ms`)),
      )
      open.set(publish, promise)
      queue.push(publish)
      rows += messages.length
      bytes += added
      void work()
      await promise
    },
    sendingSince: () => since,
    waiting: () => rows,
    async idle() {
      await Promise.allSettled(open.values())
    },
  }
}
