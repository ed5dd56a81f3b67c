import type { Logger } from '@belfry/service'
import { Kafka, type KafkaConfig } from 'kafkajs'

export interface TopicsOptions {
  readonly kafka: KafkaConfig
  /** The names of the topics at the broker. */
  readonly names: readonly string[]
  readonly partitions: number
  /** Copies of each partition; undefined: what the broker has as its default. */
  readonly replication: number | undefined
  /** How long a topic keeps a message, milliseconds. */
  readonly retentionMs: number
  readonly log: Logger
}

/** Makes the topics that are missing: the broker makes none by itself. */
export interface Topics {
  /** Resolves when all topics are there. Rejects when the broker does not answer; calls at the same time are one. */
  ensure(): Promise<void>
}

/** How long the broker may take to answer a question about its topics, milliseconds. */
const requestTimeoutMs = 5000

export function createTopics(options: TopicsOptions): Topics {
  const { names, partitions, replication, retentionMs, log } = options
  // Fails within a second: its callers try again. The retries bridge the moment until all know of a topic that was made.
  const retry = { retries: 4, initialRetryTime: 50, maxRetryTime: 400 }
  const kafka = new Kafka({ ...options.kafka, requestTimeout: requestTimeoutMs, retry })
  const reported = new Set<string>()
  let ensuring: Promise<void> | null = null

  function report(name: string, count: number): void {
    if (count === partitions || reported.has(name)) return
    reported.add(name)
    log.warn({ topic: name, partitions: count, wanted: partitions }, 'a topic has another number of partitions')
  }

  async function ensureNow(): Promise<void> {
    const admin = kafka.admin()
    try {
      await admin.connect()
      const there = new Set(await admin.listTopics())
      const missing = names.filter((name) => !there.has(name))
      if (missing.length > 0) {
        const configEntries = [{ name: 'retention.ms', value: String(retentionMs) }]
        const replicas = replication === undefined ? {} : { replicationFactor: replication }
        const topics = missing.map((topic) => ({ topic, numPartitions: partitions, ...replicas, configEntries }))
        const isMade = await admin.createTopics({ topics, waitForLeaders: true })
        if (isMade) log.info({ topics: missing, partitions }, 'topics made')
      }
      const { topics } = await admin.fetchTopicMetadata({ topics: [...names] })
      for (const { name, partitions: found } of topics) report(name, found.length)
    } finally {
      await admin.disconnect().catch(() => undefined)
    }
  }

  return {
    ensure() {
      ensuring ??= ensureNow().finally(() => {
        ensuring = null
      })
      return ensuring
    },
  }
}
