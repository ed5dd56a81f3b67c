import { type Envelope, heldSize, type Topic } from '@belfry/contracts'
import type { Clock, Ids, Metrics } from '@belfry/service'
import { type Ack, createGroup, type Group } from './group.ts'
import { type Bus, type BusCapabilities, BusError, type IncomingMessage, type OutgoingMessage } from './port.ts'

export interface MemoryBusOptions {
  readonly clock: Clock
  readonly ids: Ids
  /** Service and instance, for the envelope. */
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
  /** Freezes every value, so that a test finds writes to shared objects. Default false. */
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

/** Resolves or rejects one `publish` when all groups have finished it, with the first failure if there was one. */
function createAck(groups: number, resolve: () => void, reject: (error: BusError) => void): Ack {
  let left = groups
  let failed: BusError | null = null
  return {
    finish(failure) {
      failed ??= failure
      left -= 1
      if (left > 0) return
      if (failed) reject(failed)
      else resolve()
    },
  }
}

/**
 * The bus of one process. Objects are handed on by reference, unread and uncopied, so that neither sender nor receiver
 * may change them; `onPoison` is never called. A group handles one batch at a time, and what arrives meanwhile becomes
 * its next one; groups do not wait for each other.
 *
 * `publish` resolves once every group that has members has stored the messages, and rejects with `handler-failed` when
 * one did not. The bus does not deliver again by itself: the sender still has the rows and sends them again. A topic
 * without groups takes everything.
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

  /** The groups that get a message of the topic: those that belong to it, and any other that has members. */
  function receivers(topic: Topic): Group[] {
    const belonging = (expected[topic] ?? []).map((name) => group(topic, name))
    if (belonging.some((one) => one.state() === 'left')) {
      throw new BusError('bus-unavailable', `a group of ${topic} has left`)
    }
    const others = [...(topics.get(topic)?.values() ?? [])].filter((one) => one.state() === 'joined')
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

  /** The messages of one publish share an envelope, but for those that carry a trace. */
  function incoming(topic: Topic, messages: readonly OutgoingMessage[]): IncomingMessage[] {
    const head = { version: 1, id: ids.uuid(), type: topic, time: clock.now() } as const
    const envelope: Envelope = { ...head, traceparent: null, sender, hmac: null }
    return messages.map(({ key, value, traceparent }) => {
      if (freeze) freezeDeep(value)
      const own = traceparent === undefined ? envelope : { ...envelope, traceparent }
      return { key, value, envelope: own, partition: null, offset: null }
    })
  }

  return {
    capabilities,
    async publish(topic, messages) {
      if (isClosed) throw new BusError('bus-closed', 'the bus is closed')
      const groups = receivers(topic)
      if (messages.length === 0 || groups.length === 0) return
      const bytes = heldSize(topic, messages)
      for (const one of groups) refuseOverflow(topic, one, messages.length, bytes)
      const delivery = incoming(topic, messages)
      await new Promise<void>((resolve, reject) => {
        const ack = createAck(groups.length, resolve, reject)
        for (const one of groups) one.add(delivery, bytes, ack)
      })
    },
    async subscribe(topic, name, { onBatch }) {
      if (isClosed) throw new BusError('bus-closed', 'the bus is closed')
      // A group gets only what was published to its topic.
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
