import { isRefusal, type JobChange } from '@belfry/contracts'
import type { Applicant } from '../../../apps/executor-service/src/admission/admission.ts'
import { type Call, type Slot, slots, type World } from '../world.ts'
import { type Act, type Context, withAdmission, withExecution } from './step.ts'

function openOnes(world: World): Applicant[] {
  return slots.flatMap((slot) => {
    const execution = world[slot]
    return execution && (execution.state === 'ready' || execution.state === 'running') ? [execution] : []
  })
}

const upTo = (world: World, version: number, { rules }: Context): JobChange[] =>
  rules.fencedChanges(world.job).filter((change) => change.version <= version)

/** The executors write the admission (docs/protocol.md step 2); null when its floors are full and none can be joined now. */
function write(context: Context, world: World, version: number): World | null {
  const { rules, config } = context
  const after = rules.fenceAdmission(world.admission, upTo(world, version, context), openOnes(world), config.floorLimit)
  if (isRefusal(after)) return null
  return after === world.admission ? world : withAdmission(world, after)
}

/** They list what runs, and ask it to end where the change is a cancel. */
function listRunning(context: Context, world: World, version: number): { world: World; listed: string[] } {
  const { rules } = context
  const cancelled = rules.cancelVersion(upTo(world, version, context))
  const listed: string[] = []
  let next = world
  for (const slot of slots) {
    const execution = world[slot]
    if (execution?.state !== 'running') continue
    listed.push(`${slot} ${execution.epoch}`)
    const asked = rules.ask(execution, cancelled, world.now)
    if (!isRefusal(asked) && asked !== execution) next = withExecution(context, next, slot, asked)
  }
  return { world: next, listed }
}

/** They list what may still run although it counts as lost. */
function listDoubtful(world: World): string[] {
  return slots.flatMap((slot: Slot) => world[slot]?.inDoubt.map(({ epoch }) => `${slot} ${epoch}`) ?? [])
}

const works = {
  write: 'the executors write the admission',
  running: 'the executors list what runs',
  doubt: 'the executors list what is in doubt',
} as const

/** What a call has come to, by its phase: the works of the fence in their order, and then the answer. */
const phases = ['asked', 'written', 'listed'] as const

function work(context: Context, world: World, call: Call): Act {
  // What is in doubt changes between the two lists only where leases are lost.
  const isSplit = context.config.suspends
  const done = phases.indexOf(call.phase)
  const kinds =
    isSplit || done === 0 ? context.rules.fenceOrder.slice(done, done + 1) : context.rules.fenceOrder.slice(1)
  const next = phases[done + kinds.length]
  return {
    name: `${kinds.map((kind) => works[kind]).join(', ')} (fence of version ${call.version})${next ? '' : '; job-service answers 200'}`,
    apply: () => {
      let after = world
      let listed = call.listed
      for (const kind of kinds) {
        const done = worked(context, after, kind, call.version)
        if (done === null) return { ...world, call: null }
        after = done.world
        listed = [...new Set([...listed, ...done.listed])].sort()
      }
      return next ? { ...after, call: { ...call, phase: next, listed } } : answered(after, { ...call, listed })
    },
  }
}

function worked(
  context: Context,
  world: World,
  kind: keyof typeof works,
  version: number,
): { readonly world: World; readonly listed: readonly string[] } | null {
  if (kind === 'write') {
    const after = write(context, world, version)
    return after && { world: after, listed: [] }
  }
  return kind === 'running' ? listRunning(context, world, version) : { world, listed: listDoubtful(world) }
}

/** The caller has its 200, and with it a promise (I8). */
function answered(world: World, { version, listed }: Call): World {
  const fencedVersion = Math.max(world.fencedVersion, version)
  const change = world.job.changes.find((one) => one.version === version)
  if (!change || change.kind === 'create') return { ...world, call: null, fencedVersion }
  const promise = { version, kind: change.kind, changedAt: change.changedAt, listed }
  return { ...world, call: null, fencedVersion, promised: [...world.promised, promise] }
}

/** A repetition by the loop of job-service, for which no caller waits: all of its works at once. */
function repeat(context: Context, world: World): Act {
  const { version } = world.job
  const apply = () => {
    const after = write(context, world, version)
    return after === null ? world : { ...listRunning(context, after, version).world, fencedVersion: version }
  }
  return { name: `job-service repeats the fence of version ${version}`, apply }
}

export function fenceActs(context: Context, world: World): Act[] {
  const { call, job, fencedVersion } = world
  const acts: Act[] = []
  if (call) {
    acts.push(work(context, world, call))
    acts.push({
      name: `job-service dies, or the call of version ${call.version} takes too long: no 200`,
      isFault: true,
      apply: () => {
        const strays = call.phase === 'asked' ? [...new Set([...world.strays, call.version])].sort() : world.strays
        return { ...world, call: null, strays }
      },
    })
  } else if (context.rules.repeatsFence(fencedVersion, job.version)) acts.push(repeat(context, world))
  for (const version of world.strays)
    acts.push({
      name: `a late fence of version ${version} arrives`,
      isFault: true,
      apply: () => ({
        ...(write(context, world, version) ?? world),
        strays: world.strays.filter((one) => one !== version),
      }),
    })
  return [...acts, ...settleActs(context, world)]
}

/** The loop that ends what fences have closed (decision 013). */
function settleActs(context: Context, world: World): Act[] {
  const { admission, now } = world
  const { rules } = context
  if (admission.unsettled === 0) return []
  const acts: Act[] = slots.flatMap((slot) => {
    const execution = world[slot]
    if (!execution) return []
    const closed = rules.closeReady(execution, admission, now)
    if (isRefusal(closed) || closed === execution) return []
    return [
      {
        name: `the executors end ${slot}, which the admission closes`,
        apply: () => withExecution(context, world, slot, closed),
      },
    ]
  })
  if (acts.length > 0 || !context.config.marks) return acts
  const settled = rules.settled(admission, admission.unsettled)
  if (settled === admission) return []
  return [
    { name: 'the executors have ended all that the admission closes', apply: () => withAdmission(world, settled) },
  ]
}
