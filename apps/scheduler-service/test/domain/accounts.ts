import type { JobChange, JobChangesMessage, JobExecuteMessage, MisfirePolicy, ScheduleSpec } from '@belfry/contracts'
import { isRecurring } from '@belfry/contracts'
import fc from 'fast-check'
import { expect } from 'vitest'
import { advance } from '../../src/domain/advance.ts'
import { applyChanges } from '../../src/domain/apply-changes.ts'
import { withoutDelivered } from '../../src/domain/fire-log-outbox.ts'
import { acknowledge, takeDueCommands } from '../../src/domain/pending-commands.ts'
import type { FireRange, Rules, ScheduleRecord } from '../../src/domain/schedule-record.ts'
import { changesOf, compile, horizon, jobId, noon, rules, type Step, statusOf } from '../fixtures.ts'

/**
 * One job, its owner who changes it, a bus that loses, repeats and reorders, a scheduler that may die between its
 * compare-and-set and the send, executors that answer late: whatever happens, every fire time of an active version has
 * one execution or lies in one range (I1), nothing else runs, versions never go back (I9), and lists stay bounded (I11).
 */

/** The newest command that the executors got for a fire time, and whether its execution ended for good. */
interface Execution {
  version: number
  hasEnded: boolean
}

interface World {
  now: number
  /** The latest moment that the clock has shown: the scheduler's may be set back, the one of job-service is not. */
  latest: number
  steps: Step[]
  record: ScheduleRecord | null
  executions: Map<number, Execution>
  log: Map<string, FireRange>
  rules: Rules
}

export type Act = (world: World) => void

/** An act that a counterexample shows by its name. */
function named(name: string, act: Act): Act {
  return Object.assign(act, { [fc.toStringMethod]: () => name })
}

const messageOf = (world: World, version: number): JobChangesMessage => changesOf(world.steps.slice(0, version))

/** Closed for an execution of `version` at `fireAt` (docs/protocol.md step 2). */
function isClosed(changes: readonly JobChange[], version: number, fireAt: number): boolean {
  return changes.some((change) => {
    if (change.version <= version) return false
    const isFloor = change.kind === 'update' || change.kind === 'resume'
    return isFloor ? change.changedAt < fireAt : true
  })
}

function store(world: World, record: ScheduleRecord): void {
  expect(record.version).toBeGreaterThanOrEqual(world.record?.version ?? 0)
  expect(record.pending.length).toBeLessThanOrEqual(world.rules.pendingLimit)
  expect(record.fireLogOutbox.length).toBeLessThanOrEqual(world.rules.fireLogOutboxLimit)
  world.record = record
}

function execute(world: World, { fireAt, version }: JobExecuteMessage): void {
  const known = world.executions.get(fireAt)
  if (!known) world.executions.set(fireAt, { version, hasEnded: false })
  else if (!known.hasEnded && version > known.version) known.version = version
}

export const change = (kind: JobChange['kind'], schedule?: ScheduleSpec, misfire?: MisfirePolicy): Act =>
  named(`${kind} ${JSON.stringify([schedule, misfire])}`, (world) => {
    const state = messageOf(world, world.steps.length).state
    const isLegal = state === 'active' ? kind !== 'resume' : state === 'paused' && kind !== 'pause'
    const last = world.steps.at(-1)?.[1] ?? 0
    if (!isLegal || world.steps.length >= 12) return
    world.steps.push([kind, Math.max(world.latest, last + 1), schedule, misfire])
  })

/** A message arrives, about the newest state or about one that lies `ago` versions back. */
const ingest = (ago: number): Act =>
  named(`ingest ${ago}`, (world) => {
    const message = messageOf(world, Math.max(1, world.steps.length - ago))
    const answer = applyChanges(world.record, message, world.now, compile, world.rules, horizon)
    if (answer.outcome === 'applied') store(world, answer.record)
  })

/** One turn of the scheduler; when it dies after its compare-and-set, nothing of it is sent. */
const turn = (dies: boolean): Act =>
  named(`turn ${dies}`, (world) => {
    if (!world.record) return
    const ranges = world.record.fireLogOutbox
    for (const range of ranges) {
      const id = `${range.from}:${range.decision}`
      const known = world.log.get(id)
      const isCut = known?.version === range.version && range.count < known.count
      if (!known || range.version > known.version || isCut) world.log.set(id, range)
    }
    const advanced = advance(withoutDelivered(world.record, ranges), world.now, compile, world.rules)
    const { record, commands } = takeDueCommands(advanced, world.now, null, world.rules)
    store(world, record)
    if (!dies) for (const command of commands) execute(world, command)
  })

/** The executors end what may run and was due, and show the executions of every `each`-th command that waits. */
const answer = (each: number): Act =>
  named(`answer ${each}`, (world) => {
    const { changes } = messageOf(world, world.steps.length)
    for (const [fireAt, execution] of world.executions)
      if (fireAt <= world.now && !isClosed(changes, execution.version, fireAt)) execution.hasEnded = true
    for (const [index, { fireAt }] of [...(world.record?.pending ?? [])].entries()) {
      const execution = world.executions.get(fireAt)
      if (!execution || !world.record || index % each !== 0) continue
      const state = execution.hasEnded ? 'succeeded' : 'ready'
      store(world, acknowledge(world.record, statusOf(fireAt, { version: execution.version, state }), world.now))
    }
  })

export const wait = (ms: number): Act =>
  named(`wait ${ms}`, (world) => {
    world.now += ms
    world.latest = Math.max(world.latest, world.now)
  })

export const failures = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 3 }).map(ingest) },
  { weight: 4, arbitrary: fc.boolean().map(turn) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 3 }).map(answer) },
)
export const waits = (max: number) => fc.integer({ min: 1, max }).map(wait)

/** A fire time that an active version covers: from its beginning to the change after it, or to `until`. */
interface Covered {
  readonly fireAt: number
  readonly version: number
  readonly schedule: ScheduleSpec
}

/**
 * In the order in which they are decided. A one-shot that several versions cover is one fire time of the first of them. Null where
 * jitter puts a fire time of another version on the millisecond of a one-shot: the two have an outcome each under one id.
 */
function coveredTimes(message: JobChangesMessage, until: number): Covered[] | null {
  const covered = new Map<number, Covered>()
  for (const [index, { changedAt, schedule, version }] of message.changes.entries()) {
    const next = message.changes[index + 1]
    const times = compile(schedule, jobId)
    if (stateAt(message.changes, index) !== 'active' || 'issue' in times) continue
    const from = schedule.kind === 'once' ? 0 : changedAt
    const upTo = next ? next.changedAt : until
    for (let at = times.next(from); at !== null && at <= upTo; at = times.next(at)) {
      const known = covered.get(at)
      if (known && (known.schedule.kind === 'once') !== (schedule.kind === 'once')) return null
      if (!known) covered.set(at, { fireAt: at, version, schedule })
    }
  }
  return [...covered.values()]
}

function stateAt(changes: readonly JobChange[], index: number): string {
  const kind = changes.slice(0, index + 1).findLast((one) => one.kind !== 'update')?.kind
  return kind === 'create' || kind === 'resume' ? 'active' : (kind ?? '')
}

/** A later change lets nothing of this version start: an older execution that it has put to rest, or lets end, is the outcome. */
function isStopped(changes: readonly JobChange[], version: number): boolean {
  return changes.some((one) => one.version > version && ['pause', 'cancel', 'delete'].includes(one.kind))
}

/** No message is lost and no service waits, until nothing of the scheduler is due. */
function quieten(world: World): void {
  world.now = world.latest
  for (let rounds = 0; rounds < 400; rounds++) {
    for (const act of [ingest(0), turn(false), answer(1)]) act(world)
    const { record } = world
    const isLate = record?.state === 'active' && record.nextFireAt !== null && record.nextFireAt <= world.now
    if (record?.version === world.steps.length && record.pending.length + record.fireLogOutbox.length === 0 && !isLate)
      return
    world.now += 500
  }
  throw new Error('never becomes quiet')
}

function timesOf({ version }: FireRange, { changes }: JobChangesMessage) {
  const times = compile((changes[version - 1] as JobChange).schedule, jobId)
  if ('issue' in times) throw new Error(times.issue.detail)
  return times
}

/** A range speaks of the fire times of its version only, not of every moment in it. */
function isIn(range: FireRange, fireAt: number, message: JobChangesMessage): boolean {
  return range.from <= fireAt && fireAt <= range.to && timesOf(range, message).count(fireAt, fireAt) === 1
}

function maxRunsOf(schedule: ScheduleSpec): number {
  return (isRecurring(schedule) ? schedule.maxRuns : undefined) ?? Number.POSITIVE_INFINITY
}

function checkAccounts(world: World): void {
  const message = messageOf(world, world.steps.length)
  const covered = coveredTimes(message, world.now)
  if (covered === null) return
  const ranges = [...world.log.values()].filter(({ count }) => count > 0)
  const isOpen = (fireAt: number, { version, hasEnded }: Execution) =>
    hasEnded || !isClosed(message.changes, version, fireAt)
  let fired = 0
  for (const { fireAt, version, schedule } of covered) {
    // After the last run that `maxRuns` allows there are no fire times any more.
    const wanted = fired < maxRunsOf(schedule) ? 1 : 0
    // What a version before missed, before the scheduler got the limit, stays in the log.
    const counts = (range: FireRange) => wanted === 1 || range.version >= version
    const inRanges = ranges.filter((range) => isIn(range, fireAt, message) && counts(range)).length
    const execution = world.executions.get(fireAt)
    // One that a floor put to rest counts only where nothing came after it.
    const isLast = execution !== undefined && (execution.version >= version || isStopped(message.changes, version))
    const isOutcome = execution !== undefined && (inRanges === 0 ? isLast : isOpen(fireAt, execution))
    const isRest = wanted === 0 && execution !== undefined && !isOpen(fireAt, execution)
    expect({ fireAt, outcomes: inRanges + (isOutcome && !isRest ? 1 : 0) }).toEqual({ fireAt, outcomes: wanted })
    if (isOutcome && !isRest) fired += 1
  }
  const isCovered = new Set(covered.map(({ fireAt }) => fireAt))
  for (const [fireAt, execution] of world.executions) {
    if (fireAt > world.now || !isOpen(fireAt, execution)) continue
    expect({ fireAt, isCovered: isCovered.has(fireAt) }).toEqual({ fireAt, isCovered: true })
  }
  for (const range of ranges)
    expect({ range, count: timesOf(range, message).count(range.from, range.to) }).toEqual({ range, count: range.count })
}

/** Plays the acts on a job that is created at noon, and checks the accounts when all is quiet. */
export function play(
  create: readonly [ScheduleSpec, (MisfirePolicy | undefined)?],
  acts: readonly Act[],
  some: Partial<Rules>,
): void {
  const world: World = {
    now: noon,
    latest: noon,
    steps: [['create', noon, ...create]],
    record: null,
    executions: new Map(),
    log: new Map(),
    rules: { ...rules, ...some },
  }
  for (const act of acts) act(world)
  quieten(world)
  checkAccounts(world)
}
