import { messageSize, type Topic } from '@belfry/contracts'
import { BusError, type IncomingMessage } from './port.ts'

/** Waits until every group has stored the messages of one `publish`. */
export interface Receipt {
  /** One group is through with the messages; `failure` when it did not store all of them. */
  settle(failure: BusError | null): void
}

type Handler = (messages: readonly IncomingMessage[]) => Promise<void>

/** The messages of one `publish` in one group. */
interface Parcel {
  readonly messages: readonly IncomingMessage[]
  /** What they take up together, bytes. */
  readonly bytes: number
  readonly receipt: Receipt
  /** How many have gone into a batch, and how many of them have come back. */
  taken: number
  handled: number
  failure: BusError | null
}

interface Batch {
  readonly messages: readonly IncomingMessage[]
  readonly shares: readonly (readonly [parcel: Parcel, count: number])[]
}

/** The members that share the messages of one topic under one name, and what waits for them. */
export interface Group {
  /** Messages that wait for a batch. */
  waiting(): number
  /** What they take up, bytes. A publish counts until its last message is in a batch. */
  waitingBytes(): number
  /** `bytes`: what the messages take up together. */
  add(messages: readonly IncomingMessage[], bytes: number, receipt: Receipt): void
  /** The answer takes the member out again; the last one takes what waits with it, and tells its senders. */
  join(member: Handler): () => Promise<void>
  /** `expected`: nobody has joined yet; `left`: nobody is there any more. */
  presence(): 'expected' | 'there' | 'left'
  /** Nobody comes any more: the senders of what waits are told. */
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
  let parcels: Parcel[] = []
  let waiting = 0
  let waitingBytes = 0
  let turn = 0
  let isScheduled = false
  let hasBegun = false
  let atWork: Promise<void> | null = null

  /** How many of the parcel's next messages fit; what the batch holds counts in full, because its receiver copies it. */
  function takeFrom({ messages, taken }: Parcel, room: { messages: number; bytes: number }): number {
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
    const shares: [Parcel, number][] = []
    const room = { messages: limits.messages, bytes: limits.bytes }
    for (const parcel of parcels) {
      const count = takeFrom(parcel, room)
      if (count > 0) shares.push([parcel, count])
      if (count < parcel.messages.length - parcel.taken) break
    }
    const messages = gather(shares)
    for (const [parcel, count] of shares) {
      parcel.taken += count
      if (parcel.taken === parcel.messages.length) waitingBytes -= parcel.bytes
    }
    const left = parcels.findIndex((parcel) => parcel.taken < parcel.messages.length)
    parcels = left === -1 ? [] : parcels.slice(left)
    waiting -= messages.length
    return { messages, shares }
  }

  function settle(batch: Batch, failure: BusError | null): void {
    for (const [parcel, count] of batch.shares) {
      parcel.handled += count
      parcel.failure ??= failure
      if (parcel.handled === parcel.messages.length) parcel.receipt.settle(parcel.failure)
    }
  }

  async function handle(batch: Batch): Promise<void> {
    const member = members[turn++ % members.length] as Handler
    try {
      await member(batch.messages)
      settle(batch, null)
    } catch (error) {
      settle(batch, new BusError('handler-failed', `${name} did not store a batch: ${error}`, { cause: error }))
    }
    atWork = null
    schedule()
  }

  /** After the promises of this turn have settled: whatever they publish goes into the same batch. */
  function schedule(): void {
    if (isScheduled || atWork || waiting === 0) return
    isScheduled = true
    process.nextTick(() => {
      isScheduled = false
      if (atWork || waiting === 0 || members.length === 0) return
      atWork = handle(nextBatch())
    })
  }

  function dropAll(): void {
    const gone = new BusError('bus-closed', `${name} has left`)
    const left = parcels
    parcels = []
    waiting = 0
    waitingBytes = 0
    for (const parcel of left) {
      parcel.handled += parcel.messages.length - parcel.taken
      parcel.taken = parcel.messages.length
      parcel.failure ??= gone
      if (parcel.handled === parcel.messages.length) parcel.receipt.settle(parcel.failure)
    }
  }

  return {
    waiting: () => waiting,
    waitingBytes: () => waitingBytes,
    presence: () => (members.length > 0 ? 'there' : hasBegun ? 'left' : 'expected'),
    dropAll,
    add(messages, bytes, receipt) {
      parcels.push({ messages, bytes, receipt, taken: 0, handled: 0, failure: null })
      waiting += messages.length
      waitingBytes += bytes
      schedule()
    },
    join(member) {
      members.push(member)
      hasBegun = true
      schedule()
      return async () => {
        const place = members.indexOf(member)
        if (place !== -1) members.splice(place, 1)
        if (members.length === 0) dropAll()
        await atWork
      }
    },
  }
}

/** The messages of a batch; mostly one whole parcel, which is then handed on as it is. */
function gather(shares: readonly (readonly [Parcel, number])[]): readonly IncomingMessage[] {
  const [[first, count]] = shares as [readonly [Parcel, number]]
  if (shares.length === 1 && count === first.messages.length) return first.messages
  return shares.flatMap(([parcel, taken]) => parcel.messages.slice(parcel.taken, parcel.taken + taken))
}
