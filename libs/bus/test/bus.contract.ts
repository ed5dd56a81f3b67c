import { createLog, createMetrics } from '@belfry/service'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Bus,
  BusError,
  createConsumer,
  type IncomingMessage,
  ignorePoison,
  type OutgoingMessage,
} from '../src/index.ts'
import { status } from './messages.ts'

/** An adapter under test. `open` gives a bus without messages. */
export interface BusUnderTest {
  readonly name: string
  open(): Promise<Bus>
  /** How long a test may take, milliseconds. Default: what vitest allows. */
  readonly timeoutMs?: number
}

type Status = IncomingMessage<'job-status'>

/** Stores what it gets; `until` resolves when there are `count` messages. */
function createInbox() {
  const messages: Status[] = []
  let wanted = Number.POSITIVE_INFINITY
  let reached: () => void = () => undefined
  return {
    messages,
    seen: () => messages.map(({ key, value }) => `${key}:${value.seq}`),
    take: async (batch: readonly Status[]) => {
      messages.push(...batch)
      if (messages.length >= wanted) reached()
    },
    until: (count: number) =>
      new Promise<void>((resolve) => {
        wanted = count
        reached = resolve
        if (messages.length >= count) resolve()
      }),
  }
}

/** What every sender does: it has its rows and sends them until the bus takes them. */
async function sendUntilTaken(bus: Bus, messages: readonly OutgoingMessage<'job-status'>[]): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    try {
      await bus.publish('job-status', messages)
      return tries
    } catch (error) {
      expect(error).toBeInstanceOf(BusError)
      if (tries === 10) throw error
    }
  }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** What a service may rely on with every adapter: messages are nudges and may come twice (docs/protocol.md). */
export function testBus({ name, open, timeoutMs }: BusUnderTest): void {
  describe(`the bus: ${name}`, timeoutMs === undefined ? {} : { timeout: timeoutMs }, () => {
    let bus: Bus
    beforeEach(async () => {
      bus = await open()
    })
    afterEach(() => bus.close())

    it('delivers each message to every group, with its key and its envelope', async () => {
      const [one, other] = [createInbox(), createInbox()]
      await bus.subscribe('job-status', 'job-service', { onBatch: one.take, onPoison: ignorePoison })
      await bus.subscribe('job-status', 'scheduler-service', { onBatch: other.take, onPoison: ignorePoison })
      await bus.publish('job-status', [status('a'), status('b')])
      await Promise.all([one.until(2), other.until(2)])
      for (const inbox of [one, other]) {
        expect(inbox.messages.map(({ key }) => key).sort()).toEqual(['a', 'b'])
        for (const { envelope } of inbox.messages) {
          expect(envelope).toMatchObject({ version: 1, type: 'job-status', sender: expect.any(String) })
          expect(envelope.id).not.toBe('')
          expect(Number.isInteger(envelope.time)).toBe(true)
        }
      }
    })

    it('carries the trace of a message in its envelope', async () => {
      const inbox = createInbox()
      await bus.subscribe('job-status', 'job-service', { onBatch: inbox.take, onPoison: ignorePoison })
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      await bus.publish('job-status', [{ ...status('a'), traceparent }, status('b')])
      await inbox.until(2)
      const traceOf = (key: string) => inbox.messages.find((message) => message.key === key)?.envelope.traceparent
      expect([traceOf('a'), traceOf('b')]).toEqual([traceparent, null])
    })

    it('keeps topics apart', async () => {
      const [statuses, letters] = [createInbox(), createInbox()]
      await bus.subscribe('job-status', 'job-service', { onBatch: statuses.take, onPoison: ignorePoison })
      await bus.subscribe('job-dead-letter', 'job-service', { onBatch: () => letters.take([]), onPoison: ignorePoison })
      await bus.publish('job-status', [status('a')])
      await statuses.until(1)
      expect(letters.messages).toEqual([])
    })

    it('accepts an empty publish', async () => {
      await bus.publish('job-status', [])
    })

    it('loses nothing that its sender sends until it is taken, and may deliver it twice', async () => {
      const [good, bad] = [createInbox(), createInbox()]
      let failures = 3
      await bus.subscribe('job-status', 'job-service', { onBatch: good.take, onPoison: ignorePoison })
      await bus.subscribe('job-status', 'scheduler-service', {
        onBatch: async (batch) => {
          if (failures-- > 0) throw new Error('the disk is full')
          await bad.take(batch)
        },
        onPoison: ignorePoison,
      })
      const tries = await sendUntilTaken(bus, [status('a'), status('b')])
      await Promise.all([good.until(2), bad.until(2)])
      expect(new Set(bad.seen())).toEqual(new Set(['a:1', 'b:1']))
      expect(new Set(good.seen())).toEqual(new Set(['a:1', 'b:1']))
      expect(tries).toBe(bus.capabilities.storesBeforePublishResolves ? 4 : 1)
    })

    it('passes over a message on which its handler fails, and holds up no other', async () => {
      const [inbox, kept] = [createInbox(), createInbox()]
      const consumer = createConsumer({
        bus,
        topic: 'job-status',
        group: 'job-service',
        async handle(batch) {
          if (batch.some(({ key }) => key === 'b')) throw new TypeError('the handler is wrong')
          await inbox.take(batch)
        },
        poison: { keep: async (messages) => kept.take(messages as never) },
        log: createLog({ level: 'silent' }),
        metrics: createMetrics().forService('job-service'),
      })
      await consumer.start()
      await bus.publish('job-status', [status('a'), status('b'), status('c')])
      await Promise.all([inbox.until(2), kept.until(1)])
      await bus.publish('job-status', [status('b', 2), status('a', 2)])
      await Promise.all([inbox.until(3), kept.until(2)])
      expect(inbox.seen().toSorted()).toEqual(['a:1', 'a:2', 'c:1'])
      expect(kept.messages).toMatchObject([{ key: 'b', reason: 'the handler is wrong' }, { key: 'b' }])
      await consumer.stop()
    })

    it('gives a group one batch at a time, in the order in which a key was sent', async () => {
      const inbox = createInbox()
      let atWork = 0
      await bus.subscribe('job-status', 'job-service', {
        onBatch: async (batch) => {
          atWork += 1
          expect(atWork).toBe(1)
          await nextTurn()
          atWork -= 1
          await inbox.take(batch)
        },
        onPoison: ignorePoison,
      })
      const keys = ['a', 'b', 'c']
      const sent: Promise<void>[] = []
      for (let seq = 1; seq <= 50; seq += 1) {
        sent.push(
          bus.publish(
            'job-status',
            keys.map((key) => status(key, seq)),
          ),
        )
        if (seq % 7 === 0) await nextTurn()
      }
      await Promise.all(sent)
      await inbox.until(150)
      if (!bus.capabilities.ordersPerKey) return
      for (const key of keys) {
        const seqs = inbox.messages.filter((message) => message.key === key).map(({ value }) => value.seq)
        expect(seqs).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
      }
    })

    it('delivers to a group while another one does not answer', async () => {
      const inbox = createInbox()
      let release: () => void = () => undefined
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      await bus.subscribe('job-status', 'scheduler-service', { onBatch: () => held, onPoison: ignorePoison })
      await bus.subscribe('job-status', 'job-service', { onBatch: inbox.take, onPoison: ignorePoison })
      const sent = [bus.publish('job-status', [status('a')]), bus.publish('job-status', [status('b')])]
      await inbox.until(2)
      await nextTurn()
      sent.push(bus.publish('job-status', [status('c')]))
      await inbox.until(3)
      release()
      await Promise.all(sent)
    })

    it('stops a subscription after its current batch, and gives it no other', async () => {
      const inbox = createInbox()
      let begun: () => void = () => undefined
      const isBegun = new Promise<void>((resolve) => {
        begun = resolve
      })
      const subscription = await bus.subscribe('job-status', 'job-service', {
        onBatch: async (batch) => {
          begun()
          await nextTurn()
          await inbox.take(batch)
        },
        onPoison: ignorePoison,
      })
      const sent = bus.publish('job-status', [status('a')])
      await isBegun
      await subscription.stop()
      expect(inbox.seen()).toEqual(['a:1'])
      await sent
      await bus.publish('job-status', [status('b')])
      await nextTurn()
      await subscription.stop()
      expect(inbox.seen()).toEqual(['a:1'])
    })

    it('closes after the current batch, and takes nothing afterwards', async () => {
      const inbox = createInbox()
      let begun: () => void = () => undefined
      const isBegun = new Promise<void>((resolve) => {
        begun = resolve
      })
      await bus.subscribe('job-status', 'job-service', {
        onBatch: async (batch) => {
          begun()
          await nextTurn()
          await inbox.take(batch)
        },
        onPoison: ignorePoison,
      })
      const sent = bus.publish('job-status', [status('a')])
      await isBegun
      await bus.close()
      expect(inbox.seen()).toEqual(['a:1'])
      await sent
      const refused = { name: 'BusError', code: 'bus-closed' }
      await expect(bus.publish('job-status', [status('b')])).rejects.toMatchObject(refused)
      await expect(
        bus.subscribe('job-status', 'other', { onBatch: inbox.take, onPoison: ignorePoison }),
      ).rejects.toMatchObject(refused)
      await bus.close()
    })
  })
}
