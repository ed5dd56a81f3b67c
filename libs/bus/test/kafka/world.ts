import { topics as schemas, type Topic } from '@belfry/contracts'
import { createHealth, createIds, createLog, createMetrics, createSystemClock, type Health } from '@belfry/service'
import { peerUrl, uniqueName } from '@belfry/testkit'
import { type Admin, CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs'
import { type Bus, type OpenBusOptions, openBus } from '../../src/index.ts'

export const kafkaUrl = peerUrl('kafka')

/** How long a test waits for what has to come, milliseconds. */
export const deadlineMs = 30_000

/** Resolves when the condition holds; rejects after the deadline. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const until = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`still not so after ${deadlineMs} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

export interface OpenedBus {
  readonly bus: Bus
  readonly topicNames: Record<Topic, string>
  readonly health: Health
  readonly lines: Record<string, unknown>[]
  readonly metrics: () => Promise<string>
}

/** Buses on the real broker with topics of their own, and an admin and a producer that are not ours. */
export function createKafkaWorld() {
  const kafka = new Kafka({
    brokers: [kafkaUrl ?? 'localhost:1'],
    logLevel: logLevel.NOTHING,
    retry: { retries: 10, initialRetryTime: 50, maxRetryTime: 1000 },
  })
  const names = new Set<string>()
  const buses: Bus[] = []
  let admin: Admin | null = null

  async function useAdmin(): Promise<Admin> {
    if (!admin) {
      admin = kafka.admin()
      await admin.connect()
    }
    return admin
  }

  function newTopics(): Record<Topic, string> {
    const suffix = uniqueName('t')
    const made = Object.keys(schemas).map((topic) => [topic, `${topic}-${suffix}`] as const)
    for (const [, name] of made) names.add(name)
    return Object.fromEntries(made) as Record<Topic, string>
  }

  async function open(options: Partial<OpenBusOptions> = {}, url = `kafka://${kafkaUrl}`): Promise<OpenedBus> {
    const topicNames = (options.topicNames ?? newTopics()) as Record<Topic, string>
    const lines: Record<string, unknown>[] = []
    const log = createLog({ level: 'info', destination: { write: (line) => void lines.push(JSON.parse(line)) } })
    const clock = createSystemClock()
    const registry = createMetrics()
    const health = createHealth({ clock, log })
    const metrics = registry.forService('test')
    const deps = { clock, ids: createIds(), log, metrics, health, sender: 'test', partitions: 3 }
    const bus = await openBus(url, { ...deps, ...options, topicNames })
    buses.push(bus)
    return { bus, topicNames, health, lines, metrics: registry.render }
  }

  return {
    kafka,
    newTopics,
    open,
    useAdmin,
    /** Sends bytes as a program that is not ours may. */
    async sendRaw(
      topic: string,
      records: readonly { key: string; value: Buffer | null; headers?: Record<string, string> }[],
      compression = CompressionTypes.None,
    ) {
      const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
      await producer.connect()
      await producer.send({ topic, compression, messages: records.map((one) => ({ headers: {}, ...one })) })
      await producer.disconnect()
    },
    /** Closes every bus, and removes what it has made at the broker. */
    async close() {
      await Promise.all(buses.map((bus) => bus.close()))
      const one = await useAdmin()
      const { groups } = await one.listGroups()
      const ours = groups.map(({ groupId }) => groupId).filter((id) => [...names].some((name) => id.endsWith(name)))
      await one.deleteGroups(ours).catch(() => undefined)
      const there = await one.listTopics()
      await one.deleteTopics({ topics: there.filter((name) => names.has(name)) })
      await one.disconnect()
    },
  }
}
