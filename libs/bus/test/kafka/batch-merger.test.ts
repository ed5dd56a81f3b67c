import { createLog, createManualClock } from '@belfry/service'
import { beforeEach, describe, expect, it } from 'vitest'
import type { ArrivedMessage } from '../../src/index.ts'
import { type BatchMergerOptions, createBatchMerger, type FetchedBatch } from '../../src/kafka/batch-merger.ts'

const settle = async () => {
  for (let n = 0; n < 6; n += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('the batches that a member merges', () => {
  const clock = createManualClock()
  /** `partition:offset` of the messages of each batch. */
  let batches: string[][]
  let resolved: string[]
  let commits: number
  let beats: number
  let isRunning: boolean
  let verbs: Partial<FetchedBatch>

  beforeEach(() => {
    batches = []
    resolved = []
    commits = 0
    beats = 0
    isRunning = true
    verbs = {}
  })

  const messagesOf = (partition: number, count: number, bytes: number): ArrivedMessage[] =>
    Array.from({ length: count }, (_, n) => ({
      key: 'k',
      value: new Uint8Array(bytes),
      headers: {},
      partition,
      offset: `${n}`,
    }))

  const fetched = (partition: number, count: number, { bytes = 10, behind = 0 } = {}): FetchedBatch => ({
    partition,
    messages: messagesOf(partition, count, bytes),
    highWatermark: BigInt(count + behind),
    resolveOffset: (offset) => void resolved.push(`${partition}:${offset}`),
    commit: async () => {
      commits += 1
    },
    heartbeat: async () => {
      beats += 1
    },
    isRunning: () => isRunning,
    ...verbs,
  })

  function open(handle?: BatchMergerOptions['handle']) {
    const note = async (messages: readonly ArrivedMessage[]) => {
      batches.push(messages.map(({ partition, offset }) => `${partition}:${offset}`))
    }
    return createBatchMerger({
      async handle(messages) {
        await note(messages)
        await handle?.(messages)
      },
      clock,
      log: createLog({ level: 'silent' }),
      batchRows: 4,
      batchBytes: 1000,
      heartbeatMs: 1000,
      retryFirstMs: 100,
      retryMostMs: 2000,
    })
  }

  it('makes one batch of the partitions of a fetch, and commits them at once', async () => {
    const merger = open()
    await Promise.all([merger.take(fetched(0, 2)), merger.take(fetched(1, 1))])
    expect(batches).toEqual([['0:0', '0:1', '1:0']])
    expect([resolved, commits]).toEqual([['0:1', '1:0'], 1])
  })

  it('hands over one batch at a time, within rows and bytes, each partition in its order', async () => {
    const merger = open()
    const large = merger.take(fetched(2, 2, { bytes: 5000 }))
    await Promise.all([merger.take(fetched(0, 5)), merger.take(fetched(1, 2)), large])
    expect(batches).toEqual([['2:0'], ['2:1'], ['0:0', '0:1', '0:2', '0:3'], ['0:4', '1:0', '1:1']])
    expect(resolved).toEqual(['2:0', '2:1', '0:3', '0:4', '1:1'])
  })

  it('hands over the same batch again until it is stored, with heartbeats, and commits nothing before', async () => {
    let failures = 5
    const merger = open(async () => {
      if (failures-- > 0) throw new Error('the store is away')
    })
    const taken = merger.take(fetched(0, 2))
    await settle()
    for (let n = 0; n < 50; n += 1) {
      expect([resolved.length, commits]).toEqual([0, 0])
      await clock.advance(50)
      await settle()
    }
    expect(beats).toBe(2)
    await clock.advance(1000)
    await taken
    expect(batches).toEqual(Array(6).fill(['0:0', '0:1']))
    expect([resolved, commits]).toEqual([['0:1'], 1])
  })

  it('gives up what it could not store when the member has to join again', async () => {
    const rebalance = new Error('the group rebalances')
    verbs = { heartbeat: () => Promise.reject(rebalance) }
    const merger = open(() => Promise.reject(new Error('the store is away')))
    const taken = expect(merger.take(fetched(0, 2))).rejects.toBe(rebalance)
    await settle()
    for (let n = 0; n < 40; n += 1) {
      await clock.advance(100)
      await settle()
    }
    await taken
    expect([resolved, commits]).toEqual([[], 0])
  })

  it('passes on that offsets could not be committed, and takes what comes afterwards', async () => {
    const refused = new Error('unknown member')
    verbs = { commit: () => Promise.reject(refused) }
    const merger = open()
    await expect(merger.take(fetched(0, 6))).rejects.toBe(refused)
    expect(batches).toHaveLength(1)
    verbs = {}
    await merger.take(fetched(0, 1))
    expect(batches).toHaveLength(2)
  })

  it('stops after the current batch, which it commits', async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    const merger = open(() => held)
    const taken = merger.take(fetched(0, 6))
    await settle()
    const stopped = merger.stop()
    release()
    await Promise.all([stopped, taken, merger.take(fetched(1, 1))])
    expect([batches.length, resolved, commits]).toEqual([1, ['0:3'], 1])
  })

  it('keeps what comes while it stops until it has stopped, or the library would fetch it again at once', async () => {
    const { promise: isStored, resolve: store } = Promise.withResolvers<void>()
    const merger = open(() => isStored)
    const taking = merger.take(fetched(0, 1))
    await settle()
    const stopping = merger.stop()
    let isTaken = false
    const late = merger.take(fetched(1, 1)).then(() => {
      isTaken = true
    })
    await settle()
    expect(isTaken).toBe(false)
    store()
    await Promise.all([taking, stopping, late])
    expect([batches, resolved]).toEqual([[['0:0']], ['0:0']])
  })

  it('stops at once when its batch cannot be stored', async () => {
    const merger = open(() => Promise.reject(new Error('the store is away')))
    const taken = merger.take(fetched(0, 1))
    await settle()
    await Promise.all([merger.stop(), taken])
    expect([resolved, commits]).toEqual([[], 0])
  })

  it('tells how many messages are left in its partitions', async () => {
    const merger = open()
    await Promise.all([merger.take(fetched(0, 3, { behind: 7 })), merger.take(fetched(1, 1))])
    expect(merger.lag()).toBe(7)
    merger.forgetLag()
    expect(merger.lag()).toBe(0)
  })
})
