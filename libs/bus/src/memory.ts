import type { Envelope, Topic } from '@belfry/contracts'
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
  /** Messages that a handler gets at most at once. Default 1,000. */
  readonly batchLimit?: number
  /** Freezes every value, so that a test shows who writes to what is shared. Default false. */
  readonly freeze?: boolean
}

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
  const { clock, ids, sender, metrics, waitingLimit = 100_000, batchLimit = 1000, freeze = false } = options
  const expected = options.groups ?? {}
  const topics = new Map<Topic, Map<string, Group>>()
  const leaves = new Set<() => Promise<void>>()
  let isClosed = false

  metrics?.gauge('belfry_bus_lag_messages', 'Messages that wait for a group', ['topic', 'group'], (gauge) => {
    for (const [topic, groups] of topics) {
      for (const [group, { waiting }] of groups) gauge.set({ topic, group }, waiting())
    }
  })

  function group(topic: Topic, name: string): Group {
    const groups = topics.get(topic) ?? new Map<string, Group>()
    const found = groups.get(name) ?? createGroup(`${topic} of ${name}`, batchLimit)
    topics.set(topic, groups.set(name, found))
    return found
  }

  /** Who gets a message of the topic: the groups that belong to it, and whoever else is there. */
  function listeners(topic: Topic): Group[] {
    const belonging = (expected[topic] ?? []).map((name) => group(topic, name))
    if (belonging.some((one) => one.presence() === 'left')) {
      throw new BusError('bus-unavailable', `a group of ${topic} has left`)
    }
    const others = [...(topics.get(topic)?.values() ?? [])].filter((one) => one.presence() === 'there')
    return [...new Set([...belonging, ...others])]
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
      const full = groups.find((one) => one.waiting() + messages.length > waitingLimit)
      if (full) throw new BusError('bus-full', `${full.waiting()} messages wait in ${topic}, ${waitingLimit} may`)
      const parcel = incoming(topic, messages)
      await new Promise<void>((resolve, reject) => {
        const receipt = createReceipt(groups.length, resolve, reject)
        for (const one of groups) one.add(parcel, receipt)
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
