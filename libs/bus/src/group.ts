import { messageSize, type Topic } from '@belfry/contracts'
import { BusError, type IncomingMessage } from './port.ts'

/** Collects the answers of the groups for one `publish`. */
export interface Ack {
  /** One group has finished the messages; `failure` when it did not store all of them. */
  finish(failure: BusError | null): void
}

type Handler = (messages: readonly IncomingMessage[]) => Promise<void>

/** The messages of one `publish` in one group. */
interface Delivery {
  readonly messages: readonly IncomingMessage[]
  /** What they take up together, bytes. */
  readonly bytes: number
  readonly ack: Ack
  /** How many are or were in a batch, and how many of those batches' messages are finished. */
  taken: number
  handled: number
  failure: BusError | null
}

interface Batch {
  readonly messages: readonly IncomingMessage[]
  readonly shares: readonly (readonly [delivery: Delivery, count: number])[]
}

/** The members that share the messages of one topic under one name, and the messages that wait for them. */
export interface Group {
  /** Messages that wait for a batch. */
  waiting(): number
  /** What they take up, bytes. A publish counts until its last message is in a batch. */
  waitingBytes(): number
  /** `bytes`: what the messages take up together. */
  add(messages: readonly IncomingMessage[], bytes: number, ack: Ack): void
  /** Answers the function that takes the member out again. The last one fails what waits with `bus-closed`. */
  join(member: Handler): () => Promise<void>
  /** `expected`: no member has joined yet; `left`: the last member has left. */
  state(): 'expected' | 'joined' | 'left'
  /** Fails what waits with `bus-closed`. */
  dropAll(): void
}

/** Bounds of a batch. One message is taken whatever its size. */
interface BatchLimits {
  readonly messages: number
  readonly bytes: number
}

/** One batch at a time, so that the messages of a key keep their order, whichever member takes them. */
export function createGroup(name: string, topic: Topic, limits: BatchLimits): Group {
  const members: Handler[] = []
  let deliveries: Delivery[] = []
  let waiting = 0
  let waitingBytes = 0
  let nextMember = 0
  let isScheduled = false
  let hasBegun = false
  let current: Promise<void> | null = null

  /** How many of the delivery's next messages fit. Every message counts in full, because its receiver copies it. */
  function takeFrom({ messages, taken }: Delivery, room: { messages: number; bytes: number }): number {
    let count = 0
    for (; room.messages > 0 && taken + count < messages.length; count++) {
      const { value } = messages[taken + count] as IncomingMessage
      const bytes = messageSize(topic, value)
      if (bytes > room.bytes && room.messages < limits.messages) break
      room.bytes -= bytes
      room.messages -= 1
    }
    return count
  }

  function nextBatch(): Batch {
    const shares: [Delivery, number][] = []
    const room = { messages: limits.messages, bytes: limits.bytes }
    for (const delivery of deliveries) {
      const count = takeFrom(delivery, room)
      if (count > 0) shares.push([delivery, count])
      if (count < delivery.messages.length - delivery.taken) break
    }
    const messages = messagesOf(shares)
    for (const [delivery, count] of shares) {
      delivery.taken += count
      if (delivery.taken === delivery.messages.length) waitingBytes -= delivery.bytes
    }
    const left = deliveries.findIndex((delivery) => delivery.taken < delivery.messages.length)
    deliveries = left === -1 ? [] : deliveries.slice(left)
    waiting -= messages.length
    return { messages, shares }
  }

  function count(delivery: Delivery, handled: number, failure: BusError | null): void {
    delivery.handled += handled
    delivery.failure ??= failure
    if (delivery.handled === delivery.messages.length) delivery.ack.finish(delivery.failure)
  }

  function acknowledge(batch: Batch, failure: BusError | null): void {
    for (const [delivery, handled] of batch.shares) count(delivery, handled, failure)
  }

  async function handle(batch: Batch): Promise<void> {
    const member = members[nextMember++ % members.length] as Handler
    try {
      await member(batch.messages)
      acknowledge(batch, null)
    } catch (error) {
      acknowledge(batch, new BusError('handler-failed', `${name} did not store a batch: ${error}`, { cause: error }))
    }
    current = null
    schedule()
  }

  /** After the promises of this iteration of the event loop: what they publish is part of the same batch. */
  function schedule(): void {
    if (isScheduled || current || waiting === 0) return
    isScheduled = true
    process.nextTick(() => {
      isScheduled = false
      if (current || waiting === 0 || members.length === 0) return
      current = handle(nextBatch())
    })
  }

  function dropAll(): void {
    const failure = new BusError('bus-closed', `${name} has left`)
    const left = deliveries
    deliveries = []
    waiting = 0
    waitingBytes = 0
    for (const delivery of left) {
      const untaken = delivery.messages.length - delivery.taken
      delivery.taken = delivery.messages.length
      count(delivery, untaken, failure)
    }
  }

  return {
    waiting: () => waiting,
    waitingBytes: () => waitingBytes,
    state: () => (members.length > 0 ? 'joined' : hasBegun ? 'left' : 'expected'),
    dropAll,
    add(messages, bytes, ack) {
      deliveries.push({ messages, bytes, ack, taken: 0, handled: 0, failure: null })
      waiting += messages.length
      waitingBytes += bytes
      schedule()
    },
    join(member) {
      members.push(member)
      hasBegun = true
      schedule()
      return async () => {
        const index = members.indexOf(member)
        if (index !== -1) members.splice(index, 1)
        if (members.length === 0) dropAll()
        await current
      }
    },
  }
}

/** The messages of a batch. Most batches are one whole delivery, whose array is handed on as it is. */
function messagesOf(shares: readonly (readonly [Delivery, number])[]): readonly IncomingMessage[] {
  const [[first, count]] = shares as [readonly [Delivery, number]]
  if (shares.length === 1 && count === first.messages.length) return first.messages
  return shares.flatMap(([delivery, taken]) => delivery.messages.slice(delivery.taken, delivery.taken + taken))
}
