import { isEnded } from '@belfry/contracts'
import type { Violation } from '../violation.ts'
import { type Caller, startCaller } from './caller.ts'
import { checkEvidence } from './check.ts'
import { type Mishap, planOf, type WorldPlan } from './plan.ts'
import { createWorld, startOf, type World, type WorldOptions } from './world.ts'

/** What became of a seed. */
export interface Result {
  readonly seed: number
  readonly violations: readonly Violation[]
  /** The same for the same history. */
  hash(): string
  /** How often what happened, and what went wrong. */
  readonly counts: ReadonlyMap<string, number>
  /** Simulated milliseconds until everything was at rest. */
  readonly lastedMs: number
  timelineOf(violation: Violation): string[]
}

/** How long after the last cancel everything may take to come to rest, milliseconds. */
const restWithinMs = 60_000
const restStepMs = 1_000
/** How long everything must be at rest to count, milliseconds: longer than a look-ahead. */
const restForMs = 5_000

function schedule(world: World, mishap: Mishap, clockSteps: { process: string; at: number }[], calmAt: number): void {
  const { loop, faults, history, processes, startAt } = world
  const found = (name: string) => processes.find((one) => one.name === name)
  const begin = () => {
    faults.note(mishap.kind)
    if (mishap.kind === 'cut') {
      const { one, other } = mishap
      history.add('world', `cuts ${one} from ${other}`)
      faults.cut(one, other)
      loop.after(mishap.forMs, () => {
        history.add('world', `mends ${one} to ${other}`)
        faults.mend(one, other)
      })
      return
    }
    const process = found(mishap.process)
    if (!process) return
    if (mishap.kind === 'kill') {
      process.kill()
      loop.after(mishap.forMs, () => void process.start())
    } else if (mishap.kind === 'stop') process.stop()
    else if (mishap.kind === 'freeze') {
      const { machine } = process
      history.add(process.name, 'is frozen')
      machine.freeze()
      loop.after(mishap.forMs, () => {
        history.add(process.name, 'goes on')
        machine.thaw()
      })
    } else {
      history.add(process.name, `has its clock set by ${mishap.byMs} ms`)
      clockSteps.push({ process: process.name, at: startAt + loop.now() })
      process.machine.step(mishap.byMs)
    }
  }
  loop.after(Math.min(mishap.at, calmAt - 1), begin)
}

/** What is not at rest yet, in words. */
function openWork({ records }: World, caller: Caller): string | null {
  if (caller.open() > 0) return `${caller.open()} calls without an answer`
  for (const { id, state, seq } of records.executions.values()) {
    if (!isEnded(state)) return `${id} is ${state}`
    if (records.copies.get(id)?.seq !== seq) return `the copy of ${id}`
  }
  for (const { id } of records.copies.values()) if (!records.executions.has(id)) return `the command of ${id}`
  for (const { job, fencedVersion } of records.jobs.values()) {
    const schedule = records.schedules.get(job.id)
    if (fencedVersion < job.version) return `the fence of ${job.id}`
    if (schedule?.version !== job.version) return `the schedule of ${job.id}`
    if (schedule.pending.length > 0 || schedule.fireLogOutbox.length > 0) return `what is pending of ${job.id}`
    if (schedule.state === 'active' && schedule.nextFireAt !== null) return `the next fire time of ${job.id}`
  }
  return null
}

async function comeToRest(world: World, caller: Caller): Promise<string | null> {
  const { loop } = world
  const until = loop.now() + restWithinMs
  let restSince: number | null = null
  for (;;) {
    const open = openWork(world, caller)
    restSince = open === null ? (restSince ?? loop.now()) : null
    if (restSince !== null && loop.now() - restSince >= restForMs) return null
    if (loop.now() >= until) return open ?? 'it does not stay at rest'
    await loop.runUntil(loop.now() + restStepMs)
  }
}

/** Lets a world go on until it is at rest; answers what is not. Rejects when it goes round and round. */
async function live(world: World, caller: Caller, { calmAt, endAt }: WorldPlan): Promise<string | null> {
  const { loop, faults, history, processes } = world
  await loop.runUntil(calmAt)
  history.add('world', 'is calm')
  faults.end()
  for (const process of processes) {
    process.machine.thaw()
    await process.start()
  }
  await loop.runUntil(endAt)
  caller.cancelAll()
  return comeToRest(world, caller)
}

/** Simulates the world of a seed, from its start until everything is at rest, and checks what it has left behind. */
export async function simulate(seed: number, options: Omit<WorldOptions, 'rates'> = {}): Promise<Result> {
  const plan = planOf(seed, startOf(seed))
  const world = createWorld(seed, { ...options, rates: plan.rates })
  const { loop, faults, history, records, target, processes } = world
  const clockSteps: { process: string; at: number }[] = []
  for (const process of processes) await process.start()
  for (const mishap of plan.mishaps) schedule(world, mishap, clockSteps, plan.calmAt)
  const caller = startCaller(world, plan.operations)
  const open = await live(world, caller, plan).catch((error: Error) => error.message)
  const evidence = { records, calls: target.calls, answers: caller.answers, clockSteps }
  const stuck = open === null ? [] : [{ rule: 'I10', subject: 'world', text: `not at rest: ${open}` }]
  const wrong = caller.wrong.map((text) => ({ rule: 'I11', subject: 'caller', text }))
  const violations = [
    ...stuck,
    ...wrong,
    ...world.poison.map((text) => ({ rule: 'I12', subject: 'poison', text })),
    ...checkEvidence(evidence),
  ]
  const counts = new Map([...faults.counts].map(([name, count]) => [`fault ${name}`, count]))
  for (const [name, count] of records.counts) counts.set(name, count)
  counts.set('calls', target.calls.length)
  for (const process of processes) process.kill()
  return {
    seed,
    violations,
    hash: history.hash,
    counts,
    lastedMs: loop.now(),
    timelineOf({ subject }) {
      const jobId = records.executions.get(subject)?.jobId ?? subject
      const ids = [...records.executions.values()].filter((one) => one.jobId === jobId).map(({ id }) => id)
      return history.timelineOf([jobId, subject, ...(jobId === subject ? ids : [])])
    },
  }
}
