import { backoffMs, type Clock, type Logger, pause } from '@belfry/service'
import { type Batch, type Consumer, type EachBatchPayload, type IHeaders, Kafka, type KafkaConfig } from 'kafkajs'
import type { ArrivedMessage } from '../codec.ts'
import { createBatchMerger, type FetchedBatch } from './batch-merger.ts'
import { unlessAborted, within } from './waits.ts'

export interface MemberOptions {
  readonly kafka: KafkaConfig
  /** The topic's name at the broker. */
  readonly name: string
  readonly groupId: string
  readonly ensureTopics: () => Promise<void>
  /** Stores messages; see `BatchMergerOptions`. */
  readonly handle: (messages: readonly ArrivedMessage[]) => Promise<void>
  readonly clock: Clock
  readonly log: Logger
  readonly batchRows: number
  readonly batchBytes: number
}

/** One member of a consumer group of one topic. It joins again by itself whatever happens, until it is stopped. */
export interface Member {
  /** Resolves when it has joined its group for the first time, or could not: then it goes on trying. */
  readonly tried: Promise<void>
  /** When the broker answered it last, monotonic milliseconds. */
  heardAt(): number
  lag(): number
  /** Takes no new batch, waits for the current one, and leaves the group. */
  stop(): Promise<void>
}

/** Without a heartbeat for so long a member has lost its partitions, milliseconds; the least that brokers take by default. */
const sessionTimeoutMs = 6000
const heartbeatMs = 1500
/** How long the group waits for a member that has to join again, milliseconds. */
const rebalanceTimeoutMs = 30_000
/** How long the broker holds back an empty answer, milliseconds: joins and leaves wait for it. */
const fetchWaitMs = 250
const mib = 1024 * 1024
/** What a fetch takes of one partition and of all of them. More than the largest batch, so that no partition starves behind one. */
const fetchBytes = { ofPartition: 2 * mib, ofAll: 8 * mib }
/** How long a leave may take, milliseconds; afterwards the broker removes the member by itself. */
const leaveMs = 3000
/** Waits before a new try to join, milliseconds. */
const retryFirstMs = 250
const retryMostMs = 2000
/** All partitions of a fetch are handed over at once, because the merger makes batches of them. */
const partitionsAtOnce = 1024

function textOf(value: IHeaders[string]): string {
  if (Array.isArray(value)) return value.map((one) => String(one)).join()
  return value === undefined ? '' : String(value)
}

function fetchedOf({ batch, ...verbs }: EachBatchPayload): FetchedBatch {
  return {
    partition: batch.partition,
    messages: messagesOf(batch),
    highWatermark: BigInt(batch.highWatermark),
    resolveOffset: verbs.resolveOffset,
    commit: () => verbs.commitOffsetsIfNecessary(verbs.uncommittedOffsets()),
    heartbeat: verbs.heartbeat,
    isRunning: verbs.isRunning,
  }
}

function messagesOf({ partition, messages }: Batch): ArrivedMessage[] {
  return messages.map(({ key, value, headers = {}, offset }) => ({
    key: key?.toString() ?? '',
    value: value ?? new Uint8Array(),
    headers: Object.fromEntries(Object.entries(headers).map(([name, one]) => [name, textOf(one)])),
    partition,
    offset,
  }))
}

export function openMember(options: MemberOptions): Member {
  const { name, groupId, ensureTopics, handle, clock, batchRows, batchBytes } = options
  const log = options.log.child({ topic: name, group: groupId })
  const kafka = new Kafka(options.kafka)
  const retries = { retryFirstMs: 100, retryMostMs: 2000 }
  const merger = createBatchMerger({ handle, clock, log, batchRows, batchBytes, heartbeatMs, ...retries })
  let heardAt = clock.monotonic()
  const stopping = new AbortController()
  const isStopped = () => stopping.signal.aborted
  let onTried: () => void = () => undefined
  const tried = new Promise<void>((resolve) => {
    onTried = resolve
  })

  const hear = () => {
    heardAt = clock.monotonic()
  }

  function open(): Consumer {
    const consumer = kafka.consumer({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: heartbeatMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      maxWaitTimeInMs: fetchWaitMs,
      maxBytesPerPartition: fetchBytes.ofPartition,
      maxBytes: fetchBytes.ofAll,
      // Else a member reads only up to the oldest open transaction, which another program may keep open for 15 minutes.
      readUncommitted: true,
      allowAutoTopicCreation: false,
      // Opened anew here, and not by the library: it gives up on some errors, and never makes a topic again.
      retry: { ...options.kafka.retry, restartOnFailure: async () => false },
    })
    consumer.on('consumer.fetch', hear)
    consumer.on('consumer.heartbeat', hear)
    consumer.on('consumer.group_join', ({ payload }) => {
      hear()
      merger.forgetLag()
      onTried()
      log.debug({ partitions: payload.memberAssignment[name] ?? [] }, 'joined the group')
    })
    return consumer
  }

  /** What is still trying when the session is over connects and joins all the same: then it is disconnected again. */
  async function run(consumer: Consumer, isOver: () => boolean): Promise<void> {
    await consumer.connect()
    if (isOver()) return consumer.disconnect()
    await consumer.subscribe({ topics: [name], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: partitionsAtOnce,
      eachBatch: (payload) => merger.take(fetchedOf(payload)),
    })
    if (isOver()) await consumer.disconnect()
  }

  /** One client from its join to its end; rejects with the reason, unless the member is stopped. */
  async function session(): Promise<void> {
    await unlessAborted(stopping.signal, ensureTopics())
    if (isStopped()) return
    const consumer = open()
    let isOver = false
    const ended = new Promise<void>((_, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error))
      run(consumer, () => isOver).catch(reject)
    })
    try {
      await unlessAborted(stopping.signal, ended)
    } finally {
      isOver = true
      if (isStopped()) await merger.stop()
      await within(clock, leaveMs, consumer.disconnect())
    }
  }

  async function stayJoined(): Promise<void> {
    let failures = 0
    while (!isStopped()) {
      const since = clock.monotonic()
      try {
        await session()
      } catch (err) {
        if (heardAt > since) failures = 0
        if (failures === 0) log.warn({ err }, 'not in the group; joining again')
        failures += 1
        onTried()
        await pause(clock, backoffMs(failures - 1, retryFirstMs, retryMostMs), stopping.signal)
      }
    }
  }
  const membership = stayJoined()

  return {
    tried,
    heardAt: () => heardAt,
    lag: merger.lag,
    async stop() {
      stopping.abort()
      await membership
    },
  }
}
