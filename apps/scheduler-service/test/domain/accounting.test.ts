import type { JobChange, JobChangesMessage, JobExecuteMessage, ScheduleSpec } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { advance } from '../../src/domain/advance.ts'
import { applyChanges } from '../../src/domain/apply-changes.ts'
import { withoutDelivered } from '../../src/domain/fire-log-outbox.ts'
import { acknowledge, takeDueCommands } from '../../src/domain/pending-commands.ts'
import type { FireRange, Rules, ScheduleRecord } from '../../src/domain/schedule-record.ts'
import {
  changesOf,
  compile,
  everyMinute,
  everySecond,
  horizon,
  jobId,
  minute,
  noon,
  rules,
  type Step,
  statusOf,
} from '../fixtures.ts'

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
  steps: Step[]
  record: ScheduleRecord | null
  executions: Map<number, Execution>
  log: Map<string, FireRange>
  rules: Rules
}

type Act = (world: World) => void

/** An act that a counterexample shows by its name. */
function named(name: string, act: Act): Act {
  return Object.assign(act, { [fc.toStringMethod]: () => name })
}

const messageOf = (world: World, version: number): JobChangesMessage => changesOf(world.steps.slice(0, version))

/** Closed for an execution of `version` at `fireAt` (protocol.md step 2). */
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

const change = (kind: JobChange['kind'], schedule?: ScheduleSpec): Act =>
  named(`${kind} ${JSON.stringify(schedule)}`, (world) => {
    const state = messageOf(world, world.steps.length).state
    const isLegal = state === 'active' ? kind !== 'resume' : state === 'paused' && kind !== 'pause'
    const last = world.steps.at(-1)?.[1] ?? 0
    if (!isLegal || world.steps.length >= 12) return
    const changedAt = Math.max(world.now, last + 1)
    world.steps.push(schedule ? [kind, changedAt, schedule] : [kind, changedAt])
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
      if (range.version >= (world.log.get(id)?.version ?? 0)) world.log.set(id, range)
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
      store(world, acknowledge(world.record, statusOf(fireAt, { version: execution.version, state })))
    }
  })

const wait = (ms: number): Act =>
  named(`wait ${ms}`, (world) => {
    world.now += ms
  })

const schedules = fc.oneof(
  fc.constantFrom(everySecond, everyMinute),
  fc
    .integer({ min: 1500, max: 20_000 })
    .map((everyMs): ScheduleSpec => ({ kind: 'interval', everyMs, anchorAt: noon + 1 })),
  // At an odd moment, so that it is not at the same time a fire time of another version.
  fc.integer({ min: -60, max: 300 }).map((s): ScheduleSpec => ({ kind: 'once', runAt: noon + s * 1000 + 517 })),
  fc.constant<ScheduleSpec>({ kind: 'manual' }),
)

const anyChange = fc.oneof(
  fc.constantFrom<JobChange['kind']>('pause', 'resume', 'resume').map((kind) => change(kind)),
  schedules.map((schedule) => change('update', schedule)),
  fc.constant(change('update')),
)
const lastChange = fc.constantFrom<JobChange['kind']>('cancel', 'delete').map((kind) => change(kind))
const failures = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 3 }).map(ingest) },
  { weight: 4, arbitrary: fc.boolean().map(turn) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 3 }).map(answer) },
)
const waits = (max: number) => fc.integer({ min: 1, max }).map(wait)

/** Fire times that an active version covers: from its beginning to the change after it, or to `until`. */
function coveredTimes(message: JobChangesMessage, until: number): Set<number> {
  const covered = new Set<number>()
  for (const [index, { changedAt, schedule }] of message.changes.entries()) {
    const next = message.changes[index + 1]
    const times = compile(schedule, jobId)
    if (stateAt(message.changes, index) !== 'active' || 'issue' in times) continue
    const from = schedule.kind === 'once' ? 0 : changedAt
    const upTo = next ? next.changedAt : until
    for (let at = times.next(from); at !== null && at <= upTo; at = times.next(at)) covered.add(at)
  }
  return covered
}

function stateAt(changes: readonly JobChange[], index: number): string {
  const kind = changes.slice(0, index + 1).findLast((one) => one.kind !== 'update')?.kind
  return kind === 'create' || kind === 'resume' ? 'active' : (kind ?? '')
}

/** No message is lost and no service waits, until nothing of the scheduler is due. */
function quieten(world: World): void {
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

/** A range speaks of the fire times of its version only, not of every moment in it. */
function isIn({ from, to, version }: FireRange, fireAt: number, { changes }: JobChangesMessage): boolean {
  const times = compile(changes[version - 1]!.schedule, jobId)
  return from <= fireAt && fireAt <= to && !('issue' in times) && times.count(fireAt, fireAt) === 1
}

function checkAccounts(world: World): void {
  const message = messageOf(world, world.steps.length)
  const covered = coveredTimes(message, world.now)
  const ranges = [...world.log.values()]
  const isOpen = (fireAt: number, { version, hasEnded }: Execution) =>
    hasEnded || !isClosed(message.changes, version, fireAt)
  for (const fireAt of covered) {
    const inRanges = ranges.filter((range) => isIn(range, fireAt, message)).length
    const execution = world.executions.get(fireAt)
    // One that a floor put to rest counts only where nothing came after it.
    const isOutcome = execution && (inRanges === 0 || isOpen(fireAt, execution))
    expect({ fireAt, outcomes: inRanges + (isOutcome ? 1 : 0) }).toEqual({ fireAt, outcomes: 1 })
  }
  for (const [fireAt, execution] of world.executions) {
    if (fireAt > world.now || !isOpen(fireAt, execution)) continue
    expect({ fireAt, isCovered: covered.has(fireAt) }).toEqual({ fireAt, isCovered: true })
  }
  expect(new Set(ranges.map(({ from, decision }) => `${from}${decision}`)).size).toBe(ranges.length)
}

function play(schedule: ScheduleSpec, acts: readonly Act[], some: Partial<Rules>): void {
  const steps: Step[] = [['create', noon, schedule]]
  const world: World = {
    now: noon,
    steps,
    record: null,
    executions: new Map(),
    log: new Map(),
    rules: { ...rules, ...some },
  }
  for (const act of acts) act(world)
  quieten(world)
  checkAccounts(world)
}

const runs = { numRuns: 300 }
const neverLate: Partial<Rules> = {
  misfire: { afterMs: Number.MAX_SAFE_INTEGER / 4, withinMs: Number.MAX_SAFE_INTEGER / 4 },
}

describe('every fire time has one outcome', () => {
  it('while a job is changed, paused and resumed in any order with the bus and the scheduler', () => {
    const acts = fc.array(
      fc.oneof(
        { weight: 2, arbitrary: anyChange },
        { weight: 5, arbitrary: failures },
        { weight: 4, arbitrary: waits(4000) },
      ),
      {
        maxLength: 60,
        size: 'max',
      },
    )
    fc.assert(
      fc.property(schedules, acts, fc.option(lastChange, { nil: wait(1) }), (schedule, some, last) =>
        play(schedule, [...some, last], neverLate),
      ),
      runs,
    )
  })

  it('while a scheduler comes back late, again and again, to a job that may be cancelled', () => {
    const acts = fc.array(
      fc.oneof({ weight: 5, arbitrary: failures }, { weight: 2, arbitrary: waits(4000) }, waits(10 * minute)),
      { maxLength: 60, size: 'max' },
    )
    fc.assert(
      fc.property(schedules, acts, fc.option(lastChange, { nil: wait(1) }), acts, (schedule, before, last, after) =>
        play(schedule, [...before, last, ...after], {}),
      ),
      runs,
    )
  })

  it('also with room for two commands and one range only', () => {
    const acts = fc.array(fc.oneof({ weight: 5, arbitrary: failures }, { weight: 3, arbitrary: waits(4000) }), {
      maxLength: 60,
      size: 'max',
    })
    fc.assert(
      fc.property(schedules, acts, (schedule, some) =>
        play(schedule, some, { pendingLimit: 2, fireLogOutboxLimit: 1 }),
      ),
      runs,
    )
  })
})
