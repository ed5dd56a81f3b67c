import type { ServiceName } from '@belfry/contracts'
import type { Peer } from '@belfry/testkit'
import { createRandom, type Random } from '../random.ts'

/** What hits one instance of a service. Times in milliseconds from the start of the load. */
interface ServiceFault {
  /** `kill`: SIGKILL, and a new process after `forMs`. `pause`: SIGSTOP, and SIGCONT after `forMs`. */
  readonly kind: 'kill' | 'pause'
  readonly service: ServiceName
  readonly index: number
  readonly atMs: number
  readonly forMs: number
}

/** What hits one of the servers. */
interface PeerFault {
  /** `peer-kill`: SIGKILL, and a start after `forMs`. `peer-pause`: it hangs for `forMs`. `peer-wipe`: it comes back without its data. */
  readonly kind: 'peer-kill' | 'peer-pause' | 'peer-wipe'
  readonly peer: Peer
  readonly atMs: number
  readonly forMs: number
}

export type Fault = ServiceFault | PeerFault

/** Who a fault hits: of two faults of one subject the second waits for the first. */
export const subjectOf = (fault: Fault): string => ('peer' in fault ? fault.peer : `${fault.service} ${fault.index}`)

/** A request of the load. `name` is unique in a plan; it is the name of the job that is made, and the path of its calls. */
interface Request {
  readonly name: string
  readonly atMs: number
}

/** A job with one fire time, `delayMs` after it is made. Its first `failures` calls fail; it has two retries. */
export interface OneShot extends Request {
  readonly kind: 'one-shot'
  readonly delayMs: number
  /** In place of the delay: its time after the start of the load. */
  readonly dueMs?: number
  readonly workMs: number
  readonly failures: number
}

/** A job of every second, until it is cancelled. */
export interface Cron extends Request {
  readonly kind: 'cron'
  readonly workMs: number
  readonly overlap: 'skip' | 'allow'
}

/** A job without a schedule. */
interface Manual extends Request {
  readonly kind: 'manual'
}

/** A run of the manual job `of`. */
interface Trigger extends Request {
  readonly kind: 'trigger'
  readonly of: string
  readonly workMs: number
}

/** Cancels the job `of`. */
interface Cancel extends Request {
  readonly kind: 'cancel'
  readonly of: string
}

export type LoadRequest = OneShot | Cron | Manual | Trigger | Cancel

/** A campaign: what is asked for and what goes wrong, at which time. A pure function of its options. */
export interface Plan {
  readonly seed: number
  readonly durationMs: number
  readonly faults: readonly Fault[]
  readonly load: readonly LoadRequest[]
}

export interface PlanOptions {
  readonly seed: number
  readonly faults: number
  readonly executions: number
  /** Instances of each service. */
  readonly instances: Readonly<Record<ServiceName, number>>
  /** How long requests are made and faults injected, milliseconds. */
  readonly durationMs: number
}

const servers: readonly Peer[] = ['kafka', 'mongo', 'consul']

/** One fault of a kind that is drawn by weight, without its time. */
function drawFault(random: Random, instances: PlanOptions['instances'], atMs: number): Fault {
  const services = Object.entries(instances).flatMap(([service, count]) =>
    Array.from({ length: count }, (_, index) => ({ service: service as ServiceName, index })),
  )
  const weight = random.fraction()
  if (weight < 0.42) return { kind: 'kill', ...random.oneOf(services), atMs, forMs: random.between(0, 5_000) }
  if (weight < 0.66) return { kind: 'pause', ...random.oneOf(services), atMs, forMs: random.between(1_000, 15_000) }
  if (weight < 0.8) return { kind: 'peer-kill', peer: random.oneOf(servers), atMs, forMs: random.between(0, 5_000) }
  if (weight < 0.9)
    return { kind: 'peer-pause', peer: random.oneOf(servers), atMs, forMs: random.between(1_000, 8_000) }
  if (weight < 0.95) return { kind: 'peer-wipe', peer: 'kafka', atMs, forMs: 0 }
  return { kind: 'peer-kill', peer: 'consul', atMs, forMs: random.between(10_000, 25_000) }
}

/** Faults in the order of their times; none begins at a subject that an earlier one still holds. */
function planFaults(random: Random, { faults, instances, durationMs }: PlanOptions): Fault[] {
  const times = Array.from({ length: faults }, () => random.between(4_000, durationMs - 2_000)).sort((a, b) => a - b)
  const freeAt = new Map<string, number>()
  return times.map((atMs) => {
    let fault = drawFault(random, instances, atMs)
    for (let tries = 0; tries < 20 && (freeAt.get(subjectOf(fault)) ?? 0) > atMs; tries++)
      fault = drawFault(random, instances, atMs)
    // A process needs some time to be worth another fault.
    freeAt.set(subjectOf(fault), atMs + fault.forMs + 5_000)
    return fault
  })
}

function planCrons(random: Random, count: number, durationMs: number): LoadRequest[] {
  return Array.from({ length: count }, (_, index): LoadRequest[] => {
    const name = `cron-${index}`
    // Every third lasts longer than a second, so that fire times find an earlier one at work.
    const isLong = index % 3 === 2
    const workMs = isLong ? random.between(1_200, 2_500) : random.between(0, 200)
    const cron = { kind: 'cron', name, atMs: random.between(0, 2_000), workMs } as const
    const isAllowed = index % 3 === 1
    const end = index % 2 === 1 ? random.between(durationMs / 2, durationMs) : durationMs
    return [
      { ...cron, overlap: isAllowed ? 'allow' : 'skip' },
      { kind: 'cancel', name: `cancel-${name}`, of: name, atMs: Math.floor(end) },
    ]
  }).flat()
}

function planOneShots(random: Random, count: number, durationMs: number): LoadRequest[] {
  return Array.from({ length: count }, (_, index): LoadRequest[] => {
    const name = `once-${index}`
    const atMs = random.between(0, durationMs)
    const delayMs = random.between(0, 9_000)
    const failures = random.fraction() < 0.1 ? random.between(1, 2) : 0
    // Some last for as long as an executor may be silent, so that faults find them at work.
    const workMs = random.fraction() < 0.1 ? random.between(1_000, 8_000) : random.between(0, 300)
    const made = { kind: 'one-shot', name, atMs, delayMs, workMs, failures } as const
    if (random.fraction() >= 0.1) return [made]
    const cancelAtMs = Math.max(atMs, atMs + delayMs + random.between(-2_000, 1_000))
    return [made, { kind: 'cancel', name: `cancel-${name}`, of: name, atMs: cancelAtMs }]
  }).flat()
}

function planTriggers(random: Random, count: number, durationMs: number): LoadRequest[] {
  const jobs = Array.from({ length: count > 0 ? 5 : 0 }, (_, index) => {
    return { kind: 'manual', name: `manual-${index}`, atMs: 0 } as const
  })
  const triggers = Array.from({ length: count }, (_, index): Trigger => {
    const atMs = random.between(500, durationMs)
    const workMs = random.between(0, 500)
    return { kind: 'trigger', name: `trigger-${index}`, of: random.oneOf(jobs).name, atMs, workMs }
  })
  return [...jobs, ...triggers]
}

/**
 * The plan of a campaign: a third of the executions come from crons of every second, a third from one-shots, a third from
 * triggers. Every cron is cancelled at the latest when the time is over.
 */
export function makePlan(options: PlanOptions): Plan {
  const { seed, executions, durationMs } = options
  const share = Math.floor(executions / 3)
  const crons = Math.round((share * 1_000) / durationMs)
  // Draws of their own, so that a smaller load leaves the faults of a seed as they are.
  const load = [
    ...planCrons(createRandom(seed ^ 0x01010101), Math.max(crons, Math.min(share, 1)), durationMs),
    ...planOneShots(createRandom(seed ^ 0x02020202), share, durationMs),
    ...planTriggers(createRandom(seed ^ 0x03030303), share, durationMs),
  ]
  return {
    seed,
    durationMs,
    faults: planFaults(createRandom(seed), options),
    load: load.toSorted((a, b) => a.atMs - b.atMs),
  }
}
