import type { Fleet, FleetMember } from '../fleet.ts'
import type { Servers } from './peers.ts'
import { type Fault, subjectOf } from './plan.ts'

/** A fault as it happened. Times in epoch milliseconds. */
export interface Injected {
  readonly fault: Fault
  readonly from: number
  readonly to: number
}

/** A process that has ended although no fault has ended it. */
interface UnexpectedEnd {
  readonly member: string
  readonly at: number
  readonly end: string
  /** What it wrote last. */
  readonly output: string
}

export interface Injection {
  /** Resolves when the last fault is over. */
  readonly done: Promise<readonly Injected[]>
  readonly ends: readonly UnexpectedEnd[]
  /** Ends the watch over the processes. */
  stop(): void
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

function memberOf(fleet: Fleet, { service, index }: { service: FleetMember['service']; index: number }): FleetMember {
  const member = fleet.of(service)[index]
  if (!member) throw new Error(`there is no ${service} ${index}`)
  return member
}

async function inject(fault: Fault, fleet: Fleet, servers: Servers): Promise<void> {
  switch (fault.kind) {
    case 'kill': {
      const member = memberOf(fleet, fault)
      await member.kill()
      await wait(fault.forMs)
      return member.isRunning() ? undefined : member.spawn()
    }
    case 'pause': {
      const member = memberOf(fleet, fault)
      member.pause()
      await wait(fault.forMs)
      return member.resume()
    }
    case 'peer-kill':
      await servers.kill(fault.peer)
      await wait(fault.forMs)
      return servers.up(fault.peer)
    case 'peer-pause':
      await servers.pause(fault.peer)
      await wait(fault.forMs)
      return servers.up(fault.peer)
    case 'peer-wipe':
      return servers.wipe(fault.peer)
  }
}

/**
 * Injects the faults at their times after `startedAt`, those of one subject one after the other, and starts every process again that
 * ends by itself, as a supervisor does.
 */
export function injectFaults(
  faults: readonly Fault[],
  fleet: Fleet,
  servers: Servers,
  startedAt: number,
  say: (line: string) => void,
): Injection {
  const injected: Injected[] = []
  const ends: UnexpectedEnd[] = []
  const busy = new Map<string, Promise<void>>()
  const underFault = new Set<string>()
  let isOver = false

  async function watch(member: FleetMember): Promise<void> {
    while (!isOver) {
      await wait(250)
      const name = `${member.service} ${member.index}`
      if (isOver || member.isRunning() || underFault.has(name)) continue
      const end = await member.exited()
      ends.push({ member: name, at: Date.now(), end, output: member.output().slice(-3_000) })
      say(`${name} has ended with ${end}; it is started again`)
      member.spawn()
    }
  }

  async function hit(fault: Fault): Promise<void> {
    const subject = subjectOf(fault)
    await wait(Math.max(0, startedAt + fault.atMs - Date.now()))
    underFault.add(subject)
    const from = Date.now()
    say(`${String(Math.round((from - startedAt) / 1000)).padStart(4)} s  ${fault.kind} ${subject}, ${fault.forMs} ms`)
    try {
      await inject(fault, fleet, servers)
    } finally {
      underFault.delete(subject)
    }
    injected.push({ fault, from, to: Date.now() })
  }

  for (const member of fleet.members) void watch(member)
  for (const fault of faults) {
    const subject = subjectOf(fault)
    busy.set(
      subject,
      (busy.get(subject) ?? Promise.resolve()).then(() => hit(fault)),
    )
  }
  return {
    done: Promise.all(busy.values()).then(() => injected.toSorted((a, b) => a.from - b.from)),
    ends,
    stop() {
      isOver = true
    },
  }
}
