import { createRandom, type Random } from '../random.ts'
import { type FaultRates, usualRates } from './faults.ts'
import { leaseMs, type SimulatedService, simulatedServices } from './process.ts'

/** What is asked for, by the route that takes it. `at`: milliseconds since the world began. */
export type Operation = { readonly at: number } & (
  | { readonly kind: 'create' | 'patch' | 'backfill'; readonly job: number; readonly body: Record<string, unknown> }
  | { readonly kind: 'pause' | 'resume' | 'cancel' | 'delete' | 'trigger' | 'redrive'; readonly job: number }
  | { readonly kind: 'cancel-execution' | 'retry-execution'; readonly job: number }
)

/** What is done to a process, or to a link. `forMs`: how long it lasts. */
export type Mishap = { readonly at: number; readonly forMs: number } & (
  | { readonly kind: 'kill'; readonly process: string }
  | { readonly kind: 'freeze'; readonly process: string }
  | { readonly kind: 'stop'; readonly process: string }
  | { readonly kind: 'clock step'; readonly process: string; readonly byMs: number }
  | { readonly kind: 'cut'; readonly one: string; readonly other: string }
)

export interface WorldPlan {
  readonly operations: readonly Operation[]
  readonly mishaps: readonly Mishap[]
  readonly rates: FaultRates
  /** When nothing goes wrong any more, milliseconds since the world began. */
  readonly calmAt: number
  /** When the last jobs are cancelled, so that everything comes to rest. */
  readonly endAt: number
}

export const namesOf = (service: SimulatedService) => [1, 2].map((n) => `${service.split('-')[0]}-${n}`)
const names = simulatedServices.flatMap(namesOf)

const iso = (time: number) => new Date(time).toISOString()

const calmAt = 16_000
const endAt = 19_000

/** Fire times lie on whole seconds of the wall clock: some moments are just before or after one. */
function moment(random: Random, from: number, to: number, startAt: number): number {
  const at = random.between(from, to)
  if (random.chance(0.4)) return at
  const whole = Math.round((startAt + at) / 1_000) * 1_000 - startAt
  return Math.max(from, whole + random.between(-120, 120))
}

function paramsOf(random: Random): Record<string, unknown> {
  const workMs = random.chance(0.3) ? random.between(0, 20) : random.between(50, random.chance(0.4) ? 5_000 : 1_500)
  const failures = random.chance(0.3) ? random.between(1, 3) : 0
  return { workMs, failures, isDeaf: random.chance(0.1) }
}

const crons = ['* * * * * *', '*/2 * * * * *', '*/3 * * * * *', '*/5 * * * * *']

function timingOf(random: Random, at: number, startAt: number): Record<string, unknown> {
  const kind = random.between(0, 9)
  const misfire = random.chance(0.5)
    ? {
        misfire: {
          policy: random.oneOf(['run-once', 'run-all', 'skip']),
          ...(random.chance(0.3) && { within: `${random.between(1, 8)}s` }),
        },
      }
    : {}
  if (kind < 3) return { schedule: random.oneOf(crons), ...misfire }
  if (kind < 5) return { schedule: { every: `${random.between(1, 4)}s` }, ...misfire }
  const expires = random.chance(0.25) ? { expiresAfter: `${random.between(200, 6_000)}ms` } : {}
  if (kind < 8) return { runAt: iso(startAt + at + random.between(-2_000, 9_000)), ...expires }
  if (kind < 9) return { delay: `${random.between(0, 6_000)}ms`, ...expires }
  return { schedule: null }
}

function policiesOf(random: Random): Record<string, unknown> {
  const overlap = random.oneOf(['skip', 'queue', 'cancel-running', 'allow', null, null])
  const limit = overlap === 'allow' ? random.between(1, 3) : random.chance(0.2) ? 2 : undefined
  const retry = {
    maxRetries: random.between(0, 3),
    backoff: 'fixed',
    delay: `${random.between(0, 1_500)}ms`,
    jitter: random.chance(0.3),
  }
  return {
    ...(overlap !== null && { overlap: { policy: overlap, ...(limit !== undefined && { limit }) } }),
    ...(random.chance(0.8) && { retry }),
    ...(random.chance(0.25) && { onLostLease: 'fail' }),
    ...(random.chance(0.2) && { timeout: `${random.between(1_000, 4_000)}ms` }),
    ...(random.chance(0.15) && { pauseAfterFailures: random.between(1, 3) }),
    ...(random.chance(0.2) && { priority: random.between(1, 9) }),
  }
}

function patchOf(random: Random, at: number, startAt: number): Record<string, unknown> {
  if (random.chance(0.5)) return timingOf(random, at, startAt)
  return random.chance(0.7)
    ? { params: paramsOf(random) }
    : { retry: { maxRetries: random.between(0, 3), backoff: 'fixed', delay: '300ms' } }
}

const kinds = [
  'patch',
  'patch',
  'pause',
  'resume',
  'resume',
  'cancel',
  'delete',
  'trigger',
  'trigger',
  'trigger',
  'cancel-execution',
  'retry-execution',
  'redrive',
] as const

function operationsOf(random: Random, startAt: number): Operation[] {
  const jobs = random.between(2, 5)
  return Array.from({ length: jobs }, (_, job): Operation[] => {
    const createdAt = moment(random, 800, 6_000, startAt)
    const create = {
      jobType: 'SIM',
      params: paramsOf(random),
      ...timingOf(random, createdAt, startAt),
      ...policiesOf(random),
    }
    const count = random.chance(0.25) ? 0 : random.between(1, 7)
    let before = createdAt
    const changes = Array.from({ length: count }, (): Operation => {
      // Some come together with the one before.
      const isSoon = random.chance(0.25) && before > createdAt
      const at = isSoon ? before + random.between(0, 6) : moment(random, createdAt + 100, calmAt + 2_000, startAt)
      before = at
      const kind = random.oneOf(kinds)
      if (kind === 'patch') return { kind, job, at, body: patchOf(random, at, startAt) }
      return { kind, job, at }
    })
    return [{ kind: 'create', job, at: createdAt, body: create }, ...changes]
  }).flat()
}

/** Milliseconds: also fire times from before the creation of the job, and some that are still under way. */
const longestBackfill = 12_000

/** In some worlds, of jobs that recur; few others are asked for one, which is refused. */
function backfillsOf(random: Random, operations: readonly Operation[], startAt: number): Operation[] {
  if (!random.chance(0.35)) return []
  return operations.flatMap((operation): Operation[] => {
    if (operation.kind !== 'create') return []
    const { job, at: createdAt, body: spec } = operation
    const recurs = spec.schedule !== undefined && spec.schedule !== null
    if (!recurs && random.chance(0.9)) return []
    return Array.from({ length: random.between(0, 4) }, (): Operation => {
      const at = moment(random, createdAt + 300, calmAt + 1_500, startAt)
      const backMs = random.between(300, longestBackfill)
      const from = startAt + at - backMs
      const body = {
        from: iso(from),
        ...(random.chance(0.3) && { to: iso(from + random.between(0, backMs)) }),
        limit: random.between(1, 6),
        ...(random.chance(0.2) && { again: true }),
      }
      return { kind: 'backfill', job, at, body }
    })
  })
}

/**
 * An executor that stands still, or does not reach the store, for about as long as its lease: what it ends then, others are just about
 * to give back.
 */
function lapseOf(random: Random): Mishap {
  const process = random.oneOf(namesOf('executor-service'))
  const at = random.between(2_500, calmAt - 3_000)
  const forMs = leaseMs + random.between(-300, 600)
  return random.chance(0.5)
    ? { kind: 'freeze', at, forMs, process }
    : { kind: 'cut', at, forMs, one: process, other: 'store' }
}

function mishapsOf(random: Random): Mishap[] {
  return Array.from({ length: random.between(0, 9) }, (): Mishap => {
    if (random.chance(0.1)) return lapseOf(random)
    const at = random.between(500, calmAt - 500)
    const forMs = random.chance(0.5) ? random.between(50, 1_500) : random.between(1_500, 8_000)
    // What runs jobs is hit most often: it holds the leases.
    const process = random.chance(0.4) ? random.oneOf(namesOf('executor-service')) : random.oneOf(names)
    const kind = random.oneOf(['kill', 'kill', 'freeze', 'freeze', 'stop', 'clock step', 'cut', 'cut', 'cut'] as const)
    if (kind === 'clock step')
      return { kind, at, forMs, process, byMs: random.oneOf([-1, 1]) * random.between(50, 4_000) }
    if (kind !== 'cut') return { kind, at, forMs, process } as Mishap
    const other = random.oneOf(['store', 'bus', 'caller', ...names].filter((one) => one !== process))
    return { kind, at, forMs, one: process, other }
  })
}

/** Of a store whose calls hang so often that much happens between a read and the write that follows from it. */
const slowStore = { storeSlow: 0.2 }

/** Some worlds have no faults of some kinds: what is left shows more clearly. Others have a slow store. */
function ratesOf(random: Random): FaultRates {
  const [bus, store, calls] = [random.chance(0.85), random.chance(0.75), random.chance(0.75)]
  const isOn = (name: string) => (name.startsWith('bus') ? bus : name.startsWith('store') ? store : calls)
  const rates = random.chance(0.2) ? { ...usualRates, ...slowStore } : usualRates
  return Object.fromEntries(
    Object.entries(rates).map(([name, rate]) => [name, isOn(name) ? rate : 0]),
  ) as unknown as FaultRates
}

/** Everything that is planned of a world. What happens by chance beside it comes from the world's own source. */
export function planOf(seed: number, startAt: number): WorldPlan {
  const random = createRandom(seed ^ 0x5bd1e995)
  const changes = operationsOf(random, startAt)
  // From a source of their own: a world without backfills is what it was before there were any.
  const backfills = backfillsOf(createRandom(seed ^ 0x2f6e2b1), changes, startAt)
  const operations = [...changes, ...backfills]
  return { operations, mishaps: mishapsOf(random), rates: ratesOf(random), calmAt, endAt }
}
