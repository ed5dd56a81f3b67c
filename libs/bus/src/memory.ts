import { type Envelope, heldSize, type Topic } from '@belfry/contracts'
import type { Clock, Ids, Metrics } from '@belfry/service'
import { createGroup, type Group, type Receipt } from './group.ts'
import { type Bus, type BusCapabilities, BusError, type IncomingMessage, type OutgoingMessage } from './port.ts'

export interface MemoryBusOptions {
  readonly clock: Clock
  readonly ids: Ids
  /** Who sends, for the envelope. */
  readonly sender: string
  readonly metrics?: Metrics
  /**
   * The groups that belong to each topic. What is published before one of them has joined waits for it; once it has left,
   * a publish is refused with `bus-unavailable`. So nothing gets lost while services start and stop one after the other.
   */
  readonly groups?: Partial<Record<Topic, readonly string[]>>
  /** Messages that may wait in one group; a publish that does not fit is refused whole with `bus-full`. Default 100,000. */
  readonly waitingLimit?: number
  /**
   * What may wait in one group, bytes (`messageSize`). Default 16 MiB: four batches. A group in which nothing waits takes
   * any publish, since its sender holds the messages anyway.
   */
  readonly waitingBytes?: number
  /** Messages that a handler gets at most at once. Default 1,000. */
  readonly batchLimit?: number
  /** What a handler gets at most at once, bytes; one message is handed over whatever its size. Default 4 MiB. */
  readonly batchBytes?: number
  /** Freezes every value, so that a test shows who writes to what is shared. Default false. */
  readonly freeze?: boolean
}

const mib = 1024 * 1024

const capabilities: BusCapabilities = {
  survivesRestart: false,
  ordersPerKey: true,
  storesBeforePublishResolves: true,
}

function freezeDeep(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  Object.freeze(value)
  for (const part of Object.values(value)) freezeDeep(part)
}

/** Settles the promise of one `publish` once all groups are through with it, with the first failure if there was one. */
function createReceipt(groups: number, resolve: () => void, reject: (error: BusError) => void): Receipt {
  let left = groups
  let failed: BusError | null = null
  return {
    settle(failure) {
      failed ??= failure
      left -= 1
      if (left > 0) return
      if (failed) reject(failed)
      else resolve()
    },
  }
}

/**
 * The bus of one process. Objects are handed on by reference, unread and uncopied: nobody may change them. A group works
 * off one batch at a time, and what arrives meanwhile becomes its next one; groups do not wait for each other.
 *
 * `publish` resolves once every group that has members has stored the messages, and rejects with `handler-failed` when
 * one did not. It does not deliver again by itself: the sender still has the rows, and sends them again. A topic without
 * groups takes everything.
 */
export function createMemoryBus(options: MemoryBusOptions): Bus {
  const { clock, ids, sender, metrics, freeze = false } = options
  const { waitingLimit = 100_000, waitingBytes = 16 * mib, batchLimit = 1000, batchBytes = 4 * mib } = options
  const expected = options.groups ?? {}
  const topics = new Map<Topic, Map<string, Group>>()
  const leaves = new Set<() => Promise<void>>()
  let isClosed = false

  metrics?.gauge('belfry_bus_lag_messages', 'Messages that wait for a group', ['topic', 'group'], (gauge) => {
    for (const [topic, groups] of topics) {
      for (const [group, { waiting }] of groups) gauge.set({ topic, group }, waiting())
    }
  })

  metrics?.gauge(
    'belfry_bus_waiting_bytes',
    'What the messages that wait for a group take up',
    ['topic', 'group'],
    (gauge) => {
      for (const [topic, groups] of topics) {
        for (const [group, one] of groups) gauge.set({ topic, group }, one.waitingBytes())
      }
    },
  )

  function group(topic: Topic, name: string): Group {
    const groups = topics.get(topic) ?? new Map<string, Group>()
    const found =
      groups.get(name) ?? createGroup(`${topic} of ${name}`, topic, { messages: batchLimit, bytes: batchBytes })
    topics.set(topic, groups.set(name, found))
    return found
  }

  /** Who gets a message of the topic: the groups that belong to it, and any other that is there. */
  function listeners(topic: Topic): Group[] {
    const belonging = (expected[topic] ?? []).map((name) => group(topic, name))
    if (belonging.some((one) => one.presence() === 'left')) {
      throw new BusError('bus-unavailable', `a group of ${topic} has left`)
    }
    const others = [...(topics.get(topic)?.values() ?? [])].filter((one) => one.presence() === 'there')
    return [...new Set([...belonging, ...others])]
  }

  function refuseOverflow(topic: Topic, one: Group, messages: number, bytes: number): void {
    if (one.waiting() + messages > waitingLimit) {
      throw new BusError('bus-full', `${one.waiting()} messages wait in ${topic}, ${waitingLimit} may`)
    }
    if (one.waiting() > 0 && one.waitingBytes() + bytes > waitingBytes) {
      throw new BusError('bus-full', `${one.waitingBytes()} bytes wait in ${topic}, ${waitingBytes} may`)
    }
  }

  /** All messages of one publish share an envelope: it says who sent them, and when. */
  function incoming(topic: Topic, messages: readonly OutgoingMessage[]): IncomingMessage[] {
    const head = { version: 1, id: ids.uuid(), type: topic, time: clock.now() } as const
    const envelope: Envelope = { ...head, traceparent: null, sender, hmac: null }
    return messages.map(({ key, value }) => {
      if (freeze) freezeDeep(value)
      return { key, value, envelope, partition: null, offset: null }
    })
  }

  return {
    capabilities,
    async publish(topic, messages) {
      if (isClosed) throw new BusError('bus-closed', 'the bus is closed')
      const groups = listeners(topic)
      if (messages.length === 0 || groups.length === 0) return
      const bytes = heldSize(topic, messages)
      for (const one of groups) refuseOverflow(topic, one, messages.length, bytes)
      const parcel = incoming(topic, messages)
      await new Promise<void>((resolve, reject) => {
        const receipt = createReceipt(groups.length, resolve, reject)
        for (const one of groups) one.add(parcel, bytes, receipt)
      })
    },
    async subscribe(topic, name, onBatch) {
      if (isClosed) throw new BusError('bus-closed', 'the bus is closed')
      // A group of a topic only ever gets what was published to that topic.
      const leave = group(topic, name).join((messages) => onBatch(messages as Parameters<typeof onBatch>[0]))
      leaves.add(leave)
      return {
        async stop() {
          leaves.delete(leave)
          await leave()
        },
      }
    },
    async close() {
      isClosed = true
      await Promise.all([...leaves].map((leave) => leave()))
      for (const groups of topics.values()) for (const one of groups.values()) one.dropAll()
    },
  }
}
