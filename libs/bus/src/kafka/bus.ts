import type { Topic } from '@belfry/contracts'
import { createLoop } from '@belfry/service'
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs'
import { createCodec } from '../codec.ts'
import type { OpenBusOptions } from '../open.ts'
import { type Bus, type BusCapabilities, BusError, type Subscriber, type Subscription } from '../port.ts'
import { createClientLog } from './client-log.ts'
import { readCompressed } from './compressed.ts'
import { boundDecoder } from './decoder-bounds.ts'
import { type Member, openMember } from './member.ts'
import { createBatchProducer } from './producer.ts'
import { createSender, type Sender } from './sender.ts'
import { createTopics } from './topics.ts'
import { within } from './waits.ts'

const capabilities: BusCapabilities = {
  survivesRestart: true,
  ordersPerKey: true,
  storesBeforePublishResolves: false,
}

const topicNames: Readonly<Record<Topic, string>> = {
  'job-changes': 'job-changes',
  'job-execute': 'job-execute',
  'job-status': 'job-status',
  'job-dead-letter': 'job-dead-letter',
}

const mib = 1024 * 1024
/** Bytes of the largest value; the codec takes larger ones for poison. */
const valueBytes = mib
/** What may wait for one topic. */
const waiting = { waitingRows: 50_000, waitingBytes: 32 * mib }
/** One batch in all its partitions together: below the brokers' default bound of 1 MiB for each partition of it. */
const sent = { batchRows: 5000, batchBytes: 768 * 1024 }
/** What a subscriber gets at once, as from the memory bus. */
const taken = { batchRows: 1000, batchBytes: 4 * mib }
/** How long a publish waits for the broker, milliseconds. */
const publishTimeoutMs = 10_000
/** How long `subscribe` waits for a broker that hangs, milliseconds; the member goes on trying. */
const joinWaitMs = 10_000
/** How long a producer may take to end, milliseconds: it waits for answers that a broker that hangs does not give. */
const leaveMs = 3000
/** Without an answer for so long the broker counts as away, milliseconds. */
const silenceMs = 3000
/** From one look at the connection to the next, milliseconds. */
const watchMs = 1000
/** Shorter than the retention of executions (7 days at least), so that no message outlives what it is about, milliseconds. */
const retentionMs = 3 * 86_400_000

/** A producer of one topic, so that a topic that is missing holds up no other one. */
interface Outlet {
  readonly sender: Sender
  close(): Promise<void>
}

/**
 * The bus on Kafka, with a consumer group for each service and topic: `<service>.<topic name>`. Resolves without a broker
 * too: whatever is published meanwhile is refused with `bus-unavailable`, and members join when the broker is back. Topics
 * that are missing are made, also later: a broker that has lost its data needs no restart of a service.
 */
export function openKafkaBus(brokers: readonly string[], options: OpenBusOptions): Bus {
  const { clock, ids, sender, metrics, health, partitions, replication } = options
  const log = options.log.child({ bus: 'kafka' })
  boundDecoder(log)
  readCompressed(log)
  const clientLog = createClientLog(log)
  const names = { ...topicNames, ...options.topicNames }
  const codec = createCodec({ clock, ids, sender, key: options.key, valueBytes })
  const config: KafkaConfig = {
    clientId: sender,
    brokers: [...brokers],
    connectionTimeout: 3000,
    requestTimeout: 30_000,
    retry: { retries: 50, initialRetryTime: 100, maxRetryTime: 3000 },
    logLevel: logLevel.INFO,
    logCreator: clientLog.logCreator,
  }
  const kafka = new Kafka(config)
  const topics = createTopics({
    kafka: config,
    names: Object.values(names),
    partitions,
    replication,
    retentionMs,
    log,
  })
  const outlets = new Map<Topic, Outlet>()
  const members = new Map<Member, { readonly topic: Topic; readonly group: string }>()
  let isClosed = false
  let isAway = false

  function openOutlet(topic: Topic): Outlet {
    const producer = createBatchProducer(kafka, topics.ensure)
    const name = names[topic]
    const send: Parameters<typeof createSender>[0]['send'] = (messages) => producer.send(name, messages)
    const outlet = {
      sender: createSender({ name, send, clock, ...waiting, ...sent, valueBytes, timeoutMs: publishTimeoutMs }),
      close: producer.close,
    }
    outlets.set(topic, outlet)
    return outlet
  }

  /** For how long the broker has not answered, milliseconds: the longest silence of all clients. */
  function silence(): number {
    const now = clock.monotonic()
    const since = [
      ...Array.from(members.keys(), (one) => one.heardAt()),
      ...Array.from(outlets.values(), ({ sender: one }) => one.sendingSince() ?? now),
    ]
    return now - Math.min(now, ...since)
  }

  const silenceText = () =>
    `no answer for ${Math.round(silence())} ms; ${clientLog.lastError() ?? 'no error was reported'}`

  /** The topics may be gone with the data of the broker: then no client would ever get an answer again. */
  async function watch(): Promise<void> {
    const wasAway = isAway
    isAway = silence() > silenceMs
    if (isAway && !wasAway) log.warn({ reason: silenceText() }, 'the broker does not answer')
    if (!isAway && wasAway) log.info('the broker answers again')
    if (!isAway) clientLog.forget()
    else await topics.ensure().catch((err) => log.debug({ err }, 'the topics cannot be made'))
  }
  const watchLoop = createLoop({ name: 'kafka', everyMs: watchMs, runOnce: watch, clock, log })
  watchLoop.start()

  // Advisory: without the broker a service still answers reads, and stores what it is asked to do.
  const check = () => {
    if (silence() > silenceMs) throw new Error(silenceText())
  }
  health.add('kafka', check, { isAdvisory: true })

  metrics.gauge('belfry_bus_lag_messages', 'Messages that wait for a group', ['topic', 'group'], (gauge) => {
    for (const [member, labels] of members) gauge.set({ ...labels }, member.lag())
  })
  metrics.gauge('belfry_bus_sending_messages', 'Messages that wait for the broker', ['topic'], (gauge) => {
    for (const [topic, one] of outlets) gauge.set({ topic }, one.sender.waiting())
  })

  async function join<T extends Topic>(topic: T, group: string, subscriber: Subscriber<T>): Promise<Subscription> {
    const name = names[topic]
    const member = openMember({
      kafka: config,
      name,
      groupId: `${group}.${name}`,
      ensureTopics: topics.ensure,
      handle: (messages) => codec.deliver(topic, group, subscriber, messages),
      clock,
      log,
      ...taken,
    })
    members.set(member, { topic, group })
    let stopping: Promise<void> | null = null
    const subscription = {
      stop() {
        stopping ??= member.stop().finally(() => {
          members.delete(member)
          subscriptions.delete(subscription)
        })
        return stopping
      },
    }
    subscriptions.add(subscription)
    await within(clock, joinWaitMs, member.tried)
    return subscription
  }
  const subscriptions = new Set<Subscription>()

  const refuseClosed = () => {
    if (isClosed) throw new BusError('bus-closed', 'the bus is closed')
  }

  return {
    capabilities,
    async publish(topic, messages) {
      refuseClosed()
      if (messages.length === 0) return
      const outlet = outlets.get(topic) ?? openOutlet(topic)
      await outlet.sender.publish(codec.encode(topic, messages))
    },
    async subscribe(topic, group, subscriber) {
      refuseClosed()
      return join(topic, group, subscriber)
    },
    async close() {
      isClosed = true
      await Promise.all(Array.from(subscriptions, (one) => one.stop()))
      await Promise.all(
        Array.from(outlets.values(), async (one) => {
          await one.sender.idle()
          await within(clock, leaveMs, one.close())
        }),
      )
      // Not awaited: a broker that hangs may hold up its question for many seconds.
      void watchLoop.stop()
    },
  }
}
