import { isRefusal, type JobSpec } from '@belfry/contracts'
import { isLive, type Job } from '../../../apps/job-service/src/domain/job.ts'
import { canonicalCommand, withMember } from '../canonical.ts'
import type { Operation } from '../configuration.ts'
import type { World } from '../world.ts'
import type { Act, Context } from './step.ts'

const minted = '01900000-0000-7000-8000-0000000000ff'
const triggerId = `exe-0-${minted}`

/** The spec of the next version: another priority, and another schedule where the search asks for it. */
function updatedSpec({ spec }: Job, movesSchedule: boolean): JobSpec {
  const priority = (spec.priority % 9) + 1
  const { schedule } = spec
  if (!movesSchedule || schedule.kind !== 'interval') return { ...spec, priority }
  // Every second fire time is left out, or comes back.
  const everyMs = schedule.everyMs === 10 ? 20 : 10
  return { ...spec, priority, schedule: { ...schedule, everyMs } }
}

function changed({ rules, config }: Context, world: World, kind: Operation): Job | null {
  const { now } = world
  // A list of changes that is full loses those that the executors and the scheduler are past (`withRoom`).
  const { changesLimit } = config
  const isFull = world.job.changes.length >= changesLimit
  const schedulerVersion = world.schedule ? rules.doneVersion(world.schedule) : 0
  const job = isFull ? rules.trimChanges(world.job, world.fencedVersion, schedulerVersion) : world.job
  if (job.changes.length >= changesLimit) return null
  const after = {
    update: () =>
      rules.updatedJob(job, { spec: updatedSpec(job, config.operations.movesSchedule === true), warnings: [] }, now),
    pause: () => rules.pausedJob(job, null, now),
    resume: () => rules.resumedJob(job, now),
    cancel: () => rules.cancelledJob(job, now),
    delete: () => rules.deletedJob(job, now),
  }[kind]()
  return isRefusal(after) || after === job ? null : after
}

/** The owner changes the job (docs/protocol.md step 1). The version before may still be on the bus. */
function operate(context: Context, world: World, kind: Operation): Act[] {
  const job = changed(context, world, kind)
  if (job === null) return []
  const before = context.rules.toJobChanges(world.job)
  return [
    {
      name: `the owner asks for: ${kind}; job-service stores version ${job.version}`,
      apply: () => ({
        ...world,
        job,
        operationsLeft: world.operationsLeft - 1,
        call: { version: job.version, phase: 'asked', listed: [] },
        changes: withMember(world.changes, before),
      }),
    },
  ]
}

/** A manual trigger (step 3): made of the job as it was read, stored only if that is still the job's version. */
function trigger({ rules }: Context, world: World): Act[] {
  const { job, now } = world
  const stale = world.changes.at(-1)
  const versions = stale && stale.version !== job.version ? [job, { ...job, version: stale.version }] : [job]
  return versions.flatMap((read) => {
    if (rules.checkAction(isLive(job) ? job : read, 'trigger')) return []
    if (!rules.triggerCounts(read.version, job.version)) return []
    const command = canonicalCommand(rules.triggerCommand(read, { executionId: triggerId, plannedAt: now }))
    return [
      {
        name: `the owner triggers the job; job-service stores the command of version ${command.version} and sends it`,
        apply: () => ({
          ...world,
          triggersLeft: world.triggersLeft - 1,
          trigger: { command, jobVersion: job.version, isAnswered: false },
          commands: withMember(world.commands, command),
        }),
      },
    ]
  })
}

export function jobServiceActs(context: Context, world: World): Act[] {
  const { operations } = context.config
  const acts: Act[] = []
  if (world.operationsLeft > 0 && world.call === null)
    for (const kind of operations.kinds) acts.push(...operate(context, world, kind))
  if (world.triggersLeft > 0) acts.push(...trigger(context, world))
  return acts
}
