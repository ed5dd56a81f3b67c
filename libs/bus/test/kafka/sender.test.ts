import { createManualClock } from '@belfry/service'
import { beforeEach, describe, expect, it } from 'vitest'
import type { EncodedMessage } from '../../src/index.ts'
import { BatchTooLarge, createSender, type SenderOptions } from '../../src/kafka/sender.ts'

const message = (key: string, length = 10): EncodedMessage => ({ key, value: Buffer.alloc(length), headers: {} })
const many = (count: number, length = 10) => Array.from({ length: count }, (_, n) => message(`${n}`, length))
const iteration = () => new Promise<void>((resolve) => setImmediate(resolve))
const settle = async () => {
  for (let n = 0; n < 4; n += 1) await iteration()
}

describe('the sender of a topic', () => {
  const clock = createManualClock()
  /** Keys of the batches that were handed over. */
  let batches: string[][]
  /** Answers the oldest batch under way; null: every batch is answered at once. */
  let underWay: ((error?: Error) => void)[] | null

  beforeEach(() => {
    batches = []
    underWay = null
  })

  function open(options: Partial<SenderOptions> = {}) {
    return createSender({
      name: 'topic',
      clock,
      waitingRows: 100,
      waitingBytes: 100_000,
      batchRows: 10,
      batchBytes: 10_000,
      valueBytes: 50_000,
      timeoutMs: 10_000,
      async send(messages) {
        batches.push(messages.map(({ key }) => key))
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        if (!underWay) return
        underWay.push((error) => (error ? reject(error) : resolve()))
        return promise
      },
      ...options,
    })
  }

  it('sends what is published in one iteration of the event loop together, in order', async () => {
    const sender = open()
    await Promise.all([sender.publish(many(2)), sender.publish(many(3))])
    expect(batches).toEqual([['0', '1', '0', '1', '2']])
    await sender.publish([])
    expect([batches.length, sender.waiting()]).toEqual([1, 0])
  })

  it('has one batch under way, within rows and bytes', async () => {
    underWay = []
    const sender = open()
    const sent = [sender.publish(many(12)), sender.publish([message('large', 20_000), message('last')])]
    await settle()
    expect(batches.map((batch) => batch.length)).toEqual([10])
    for (let n = 0; n < 4; n += 1) {
      underWay.shift()?.()
      await settle()
    }
    await Promise.all(sent)
    expect(batches.slice(1)).toEqual([['10', '11'], ['large'], ['last']])
  })

  it('refuses what has no room, and takes any publish when nothing waits', async () => {
    underWay = []
    const sender = open({ waitingRows: 20, waitingBytes: 30_000 })
    const first = sender.publish(many(30))
    await expect(sender.publish(many(1))).rejects.toMatchObject({ code: 'bus-full' })
    for (let n = 0; n < 3; n += 1) {
      await settle()
      underWay.shift()?.()
    }
    await first
    const second = sender.publish(many(1, 25_000))
    await expect(sender.publish(many(1, 10_000))).rejects.toMatchObject({ code: 'bus-full' })
    await settle()
    underWay.shift()?.()
    await second
  })

  it('finds the messages that the broker finds too large, and sends all others', async () => {
    const send: SenderOptions['send'] = async (messages) => {
      if (messages.some(({ key }) => ['3', '7'].includes(key))) throw new BatchTooLarge()
      batches.push(messages.map(({ key }) => key))
    }
    const sender = open({ send })
    const rejected = sender.publish(many(9))
    await expect(rejected).rejects.toMatchObject({
      code: 'too-large',
      messages: [
        { index: 3, bytes: 10 },
        { index: 7, bytes: 10 },
      ],
    })
    expect(batches.flat().toSorted()).toEqual(['0', '1', '2', '4', '5', '6', '8'])
    await sender.publish([message('after')])
  })

  it('does not send a value that is over its bound', async () => {
    const sender = open()
    const rejected = sender.publish([message('a'), message('large', 50_001), message('b')])
    await expect(rejected).rejects.toMatchObject({ code: 'too-large', messages: [{ index: 1, bytes: 50_001 }] })
    expect(batches).toEqual([['a'], ['b']])
  })

  it('refuses the publishes of a batch that failed, and goes on with the next', async () => {
    underWay = []
    const sender = open()
    const failed = [sender.publish(many(2)), sender.publish(many(12))]
    const refusals = failed.map((one) => expect(one).rejects.toMatchObject({ code: 'bus-unavailable' }))
    await settle()
    const next = sender.publish([message('next')])
    underWay.shift()?.(new Error('no broker'))
    await Promise.all(refusals)
    await settle()
    expect(batches.at(-1)).toEqual(['next'])
    underWay.shift()?.()
    await next
    expect(sender.sendingSince()).toBe(null)
  })

  it('answers within its time while the broker does not', async () => {
    underWay = []
    const sender = open()
    const stuck = sender.publish([message('stuck')])
    await settle()
    const begun = clock.monotonic()
    const waiting = sender.publish([message('waiting')])
    const refusals = [stuck, waiting].map((one) => expect(one).rejects.toMatchObject({ code: 'bus-unavailable' }))
    const idle = sender.idle()
    await clock.advance(10_000)
    await Promise.all(refusals)
    await idle
    expect([sender.waiting(), sender.sendingSince()]).toEqual([0, begun])
    await expect(sender.publish([message('hopeless')])).rejects.toMatchObject({ code: 'bus-unavailable' })
    underWay.shift()?.()
    await settle()
    const later = sender.publish([message('later')])
    await settle()
    underWay.shift()?.()
    await later
    expect(batches).toEqual([['stuck'], ['later']])
  })
})
