import { type Bus, BusError, type IncomingMessage, type OutgoingMessage, type Subscriber } from '@belfry/bus'
import type { Topic } from '@belfry/contracts'
import type { Random } from '../random.ts'
import type { EventLoop } from './event-loop.ts'
import { type Faults, hopMs } from './faults.ts'
import type { History } from './history.ts'
import type { Machine } from './machine.ts'

/** A message on its way to one group, as text: nobody shares an object with another process. */
interface Letter {
  readonly topic: Topic
  readonly key: string
  readonly text: string
  readonly sentAt: number
  readonly sender: string
  readonly offset: string
}

interface Member {
  readonly machine: Machine
  readonly process: string
  readonly subscriber: Subscriber<Topic>
  isJoined: boolean
  /** Letters that wait for the batch at work. */
  inbox: Letter[]
  isAtWork: boolean
}

/** The broker of a world. */
export interface SimulatedBus {
  /** The bus as one process reaches it. */
  connect(process: string, machine: Machine): Bus
  /** Letters that no group has stored yet. */
  underWay(): number
}

/** After how long the letters of a member that does not answer go to another one, milliseconds. */
const sessionMs = 3_000
const redeliveryMs = 500

const groupsOf: Partial<Record<Topic, readonly string[]>> = {
  'job-changes': ['scheduler-service'],
  'job-execute': ['executor-service'],
  'job-status': ['job-service', 'scheduler-service'],
}

/** The execution that a message is about, or the job. */
const subjectOf = (value: OutgoingMessage['value']) =>
  'executionId' in value ? value.executionId : 'jobId' in value ? value.jobId : null

/** The facts that tell one message of a subject from another. */
function shown(text: string): string {
  const { version, state, seq, epoch, fireAt, cancelRequested } = JSON.parse(text) as Record<string, unknown>
  const facts = Object.entries({ version, state, seq, epoch, fireAt, cancelRequested }).filter(
    ([, one]) => one !== undefined,
  )
  return facts.map(([name, one]) => `${name} ${one}`).join(', ')
}

/** `startAt`: the time of the world's beginning, epoch milliseconds. */
export function createSimulatedBus(options: {
  readonly loop: EventLoop
  readonly random: Random
  readonly faults: Faults
  readonly history: History
  readonly startAt: number
}): SimulatedBus {
  const { loop, random, faults, history, startAt } = options
  const groups = new Map<string, Member[]>()
  let offsets = 0
  let underWay = 0

  const membersOf = (topic: Topic, group: string): Member[] => {
    const name = `${topic} ${group}`
    const found = groups.get(name)
    if (found) return found
    const made: Member[] = []
    groups.set(name, made)
    return made
  }

  const incoming = ({ topic, key, text, sentAt, sender, offset }: Letter): IncomingMessage => {
    const envelope = {
      version: 1,
      id: offset,
      type: topic,
      time: sentAt,
      traceparent: null,
      sender,
      hmac: null,
    } as const
    return { key, value: JSON.parse(text), envelope, partition: 0, offset }
  }

  /** Hands the letters to a member of the group, and again until one has stored them. */
  function deliver(group: string, letter: Letter): void {
    const joined = membersOf(letter.topic, group).filter(({ machine, isJoined }) => isJoined && machine.isAlive)
    const able = joined.filter(({ process }) => !faults.isCut(process, 'bus'))
    if (able.length === 0) {
      loop.after(redeliveryMs, () => deliver(group, letter))
      return
    }
    const member = random.oneOf(able)
    member.inbox.push(letter)
    work(group, member)
    // A member that dies, stands still or is cut off has the letter, and another one gets it too.
    loop.after(sessionMs, () => {
      if (!member.inbox.includes(letter)) return
      member.inbox = member.inbox.filter((one) => one !== letter)
      deliver(group, letter)
    })
  }

  function work(group: string, member: Member): void {
    if (member.isAtWork || member.inbox.length === 0 || !member.isJoined) return
    member.isAtWork = true
    loop.after(random.fraction() * 2, () =>
      member.machine.deliver(() => {
        const batch = member.inbox
        member.inbox = []
        if (batch.length === 0) {
          member.isAtWork = false
          return
        }
        handle(group, member, batch)
      }),
    )
  }

  function handle(group: string, member: Member, batch: readonly Letter[]): void {
    let isSettled = false
    const again = () => {
      if (isSettled) return
      isSettled = true
      faults.note('redelivered')
      for (const letter of batch) deliver(group, letter)
    }
    // Its session ends while the batch is at work: the batch goes to another one, whatever this one still stores.
    const watch = loop.after(2 * sessionMs, again)
    const done = (isStored: boolean) => {
      if (!member.machine.isAlive) return
      member.isAtWork = false
      watch.cancel()
      if (!isStored) loop.after(redeliveryMs, again)
      else if (!isSettled) {
        isSettled = true
        underWay -= batch.length
      }
      work(group, member)
    }
    for (const { topic, text } of batch)
      history.add(member.process, `takes ${topic}`, subjectOf(JSON.parse(text)), () => shown(text))
    member.subscriber.onBatch(batch.map(incoming) as never).then(
      () => done(true),
      () => done(false),
    )
  }

  function send(topic: Topic, { key, value }: OutgoingMessage, process: string, wall: number): void {
    offsets += 1
    const text = JSON.stringify(value)
    const letter = { topic, key, text, sentAt: wall, sender: process, offset: String(offsets) }
    for (const group of groupsOf[topic] ?? []) {
      history.add(process, `sends ${topic} to ${group}`, subjectOf(value), () => shown(text))
      if (faults.strikes('busDrop')) {
        history.add('bus', `loses ${topic} to ${group}`, subjectOf(value))
        continue
      }
      const copies = faults.strikes('busDouble') ? 2 : 1
      underWay += copies
      for (let copy = 0; copy < copies; copy++) {
        const lateMs = faults.strikes('busShuffle') ? random.fraction() * random.fraction() * 5_000 : 0
        loop.after(hopMs(random) + lateMs, () => deliver(group, letter))
      }
    }
  }

  return {
    connect: (process, machine) => ({
      capabilities: { survivesRestart: true, ordersPerKey: false, storesBeforePublishResolves: false },
      publish: (topic, messages) =>
        new Promise((resolve, reject) => {
          if (!machine.isAlive) return
          const fail = (delayMs: number) =>
            loop.after(delayMs, () =>
              machine.deliver(() => reject(new BusError('bus-unavailable', 'the broker did not answer'))),
            )
          if (faults.isCut(process, 'bus')) return fail(1_000)
          if (faults.strikes('busRefused')) return fail(hopMs(random))
          const isLost = faults.strikes('busAckLost')
          loop.after(hopMs(random), () => {
            if (!machine.isAlive && random.chance(0.5)) return
            for (const message of messages) send(topic, message, process, Math.floor(startAt + loop.now()))
            if (isLost) fail(random.between(1, 1_000))
            else loop.after(hopMs(random), () => machine.deliver(resolve))
          })
        }),
      async subscribe(topic, group, subscriber) {
        const member: Member = {
          machine,
          process,
          subscriber: subscriber as unknown as Subscriber<Topic>,
          isJoined: true,
          inbox: [],
          isAtWork: false,
        }
        membersOf(topic, group).push(member)
        return {
          async stop() {
            member.isJoined = false
            for (const letter of member.inbox) deliver(group, letter)
            member.inbox = []
          },
        }
      },
      async close() {},
    }),
    underWay: () => underWay,
  }
}
