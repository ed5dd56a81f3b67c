import type { JobChangesMessage, JobExecuteMessage } from '@belfry/contracts'
import { compileSchedule } from '@belfry/time'
import { type Execution, toStatusMessage } from '../../../apps/executor-service/src/executions/execution.ts'
import type {
  FireRange,
  Rules as Numbers,
  ScheduleRecord,
} from '../../../apps/scheduler-service/src/domain/schedule-record.ts'
import { canonicalCommand, canonicalSchedule, withMember } from '../canonical.ts'
import type { Configuration } from '../configuration.ts'
import { remembered } from '../search/remember.ts'
import { type Reading, slots, type World } from '../world.ts'
import type { Act, Context } from './step.ts'

const neverForgotten = Number.NEGATIVE_INFINITY

function numbersOf({ lookAheadMs, misfireAfterMs, pendingLimit }: Configuration): Numbers {
  return {
    lookAheadMs,
    misfire: { afterMs: misfireAfterMs, withinMs: 1_000_000 },
    resendFirstMs: 0,
    resendMaxMs: 0,
    pendingLimit,
    fireLogOutboxLimit: 64,
    quarantineMs: 1,
  }
}

interface Turn {
  readonly record: ScheduleRecord
  readonly commands: readonly JobExecuteMessage[]
}

/** Step 5: what a change makes of the record; null when nothing. */
const ingested = remembered(
  (message: JobChangesMessage, { config, rules }: Context, before: ScheduleRecord | null, now: number): Turn | null => {
    const numbers = numbersOf(config)
    const applied = rules.applyChanges(before, message, now, compileSchedule, numbers, neverForgotten)
    if (applied.outcome !== 'applied') return null
    const { record, times } = applied
    return turnOf(rules.takeDueCommands(rules.advanceWith(record, times, now, numbers), now, null, numbers))
  },
)

/** Steps 6 and 7: what a turn makes of a record that is due; null when nothing. */
const advanced = remembered((before: ScheduleRecord, { config, rules }: Context, now: number): Turn | null => {
  const numbers = numbersOf(config)
  const due = rules.dueAt(before, numbers)
  if (due === null || due > now) return null
  const cleared = rules.withoutDelivered(before, before.fireLogOutbox)
  const advanced = rules.advance(cleared, now, compileSchedule, numbers)
  const turn = turnOf(rules.takeDueCommands(advanced, now, null, numbers))
  return JSON.stringify(turn.record) === JSON.stringify(before) ? null : turn
})

const turnOf = ({ record, commands }: Turn): Turn => ({
  record: canonicalSchedule(record),
  commands: commands.map(canonicalCommand),
})

/** The commands that their senders repeat until they are answered (step 7): those that wait, and that of a trigger. */
export function sendableCommands(context: Context, { schedule, trigger, now }: World): readonly JobExecuteMessage[] {
  const waiting = schedule === null ? [] : repeated(schedule, context, now)
  return trigger && !trigger.isAnswered ? [...waiting, trigger.command] : waiting
}

const repeated = remembered((schedule: ScheduleRecord, { rules, config }: Context, now: number) =>
  rules.takeDueCommands(schedule, now, null, numbersOf(config)).commands.map(canonicalCommand),
)

const acknowledged = remembered(
  (execution: Execution, { rules, config }: Context, schedule: ScheduleRecord, now: number): Turn | null => {
    const record = rules.acknowledge(schedule, toStatusMessage(execution), now)
    const turn = turnOf(rules.takeDueCommands(record, now, null, numbersOf(config)))
    return JSON.stringify(turn.record) === JSON.stringify(schedule) ? null : turn
  },
)

function withRanges({ rules }: Context, log: readonly FireRange[], ranges: readonly FireRange[]): readonly FireRange[] {
  let next = log
  for (const range of ranges) {
    const known = next.find((one) => one.from === range.from && one.decision === range.decision)
    if (known && rules.fireLogStays(known, range)) continue
    next = withMember(
      next.filter((one) => one !== known),
      range,
    )
  }
  return next
}

/** The record is stored and its commands are sent. They may not come, as where the process dies between the two. */
function written(world: World, { record, commands }: Turn): World {
  const sent = commands.reduce((all, one) => withMember(all, one), world.commands)
  const readings = world.readings.map((one) => one && { ...one, isStale: true })
  return { ...world, schedule: record, commands: sent, readings }
}

/** The messages about the job that a scheduler may get: those on the bus, and the newest one by reconcile. */
function messagesOf(context: Context, world: World): readonly { message: JobChangesMessage; isSure: boolean }[] {
  const onBus = world.changes.map((message) => ({ message, isSure: false }))
  return [...onBus, { message: newestOf(world.job, context), isSure: true }]
}

const newestOf = remembered((job: World['job'], { rules }: Context) => rules.toJobChanges(job))

function wholeActs(context: Context, world: World): Act[] {
  const acts: Act[] = []
  const { schedule, now } = world
  for (const { message, isSure } of messagesOf(context, world)) {
    const turn = ingested(message, context, schedule, now)
    const name = `a scheduler applies version ${message.version}`
    if (turn) acts.push({ name: `${name}${aboutOf(turn)}`, isFault: !isSure, apply: () => written(world, turn) })
  }
  const turn = schedule && advanced(schedule, context, now)
  if (!schedule || !turn) return acts
  const { fireLogOutbox } = schedule
  const copied = { ...world, fireLog: withRanges(context, world.fireLog, fireLogOutbox) }
  if (fireLogOutbox.length > 0)
    acts.push({ name: 'a scheduler copies ranges into the fire log and dies', isFault: true, apply: () => copied })
  acts.push({ name: `a scheduler advances the job${aboutOf(turn)}`, apply: () => written(copied, turn) })
  return acts
}

function aboutOf({ commands }: Turn): string {
  if (commands.length === 0) return ''
  return ` and sends ${commands.map(({ fireAt, version }) => `the command for ${fireAt} of version ${version}`).join(', ')}`
}

/** Two schedulers, each of which reads, and writes later: the other one may have written between. */
function splitActs(context: Context, world: World): Act[] {
  return world.readings.flatMap((reading, index) => {
    const name = `scheduler ${index + 1}`
    const withReading = (one: Reading | null) => world.readings.with(index, one)
    if (!reading) return readActs(context, world, name, withReading)
    const end: Act = { name: `${name} dies`, isFault: true, apply: () => ({ ...world, readings: withReading(null) }) }
    return [writeAct(context, world, reading, name, withReading(null)), end]
  })
}

function readActs(
  context: Context,
  world: World,
  name: string,
  withReading: (one: Reading) => World['readings'],
): Act[] {
  const { schedule: record, now } = world
  const acts: Act[] = []
  const read = (message: JobChangesMessage | null): World => ({
    ...world,
    readings: withReading({ record, now, message, isStale: false }),
  })
  for (const { message, isSure } of messagesOf(context, world))
    if (ingested(message, context, record, now))
      acts.push({
        name: `${name} reads the schedule, to apply version ${message.version}`,
        isFault: !isSure,
        apply: () => read(message),
      })
  if (record && advanced(record, context, now))
    acts.push({ name: `${name} reads the schedule, to advance it`, apply: () => read(null) })
  return acts
}

function writeAct(
  context: Context,
  world: World,
  { record, now, message, isStale }: Reading,
  name: string,
  readings: World['readings'],
): Act {
  const turn = message ? ingested(message, context, record, now) : record && advanced(record, context, now)
  const counts = turn !== null && context.rules.scheduleWriteCounts(isStale)
  const copied: World = {
    ...world,
    readings,
    fireLog: message || !record ? world.fireLog : withRanges(context, world.fireLog, record.fireLogOutbox),
  }
  return {
    name: counts ? `${name} stores the schedule${aboutOf(turn)}` : `${name} loses the race for the schedule`,
    apply: () => (counts ? written(copied, turn) : copied),
  }
}

/**
 * A job-status comes to the scheduler, which takes the command out of its record (step 7). An older status of the execution, which may
 * come as well, does no more than the newest one: versions only grow, and what has ended for good stays so. The newest one comes in
 * any case only where the repeated command marks the execution to be published again.
 */
function acknowledgeActs(context: Context, world: World): Act[] {
  const { schedule, now } = world
  if (!schedule || schedule.pending.length === 0) return []
  return slots.flatMap((slot) => {
    const execution = world[slot]
    const turn = execution?.cause === 'schedule' ? acknowledged(execution, context, schedule, now) : null
    if (!turn) return []
    const isFault = !context.rules.repeatedCommandMarks() || !isRepeated(context, world, execution)
    return [{ name: `a scheduler is shown ${slot}: ${execution?.state}`, isFault, apply: () => written(world, turn) }]
  })
}

/** Its command is sent again, and changes nothing of the execution: that is answered. */
function isRepeated(context: Context, world: World, execution: Execution | null): boolean {
  return sendableCommands(context, world).some((command) => {
    return command.executionId === execution?.id && admitted(command, context, execution) === execution
  })
}

/** What a command makes of the execution that is stored, if one is. */
export const admitted = remembered((command: JobExecuteMessage, { rules }: Context, existing: Execution | null) =>
  rules.admit(existing ?? undefined, command, noDelivery),
)

const noDelivery = {
  arrival: { sentAt: null, admittedAt: 0, topic: null, partition: null, offset: null },
  pool: 'io',
  oldestPlannedAt: 0,
} as const

export function schedulerActs(context: Context, world: World): Act[] {
  const acts = context.config.schedulers === 1 ? wholeActs(context, world) : splitActs(context, world)
  return [...acts, ...acknowledgeActs(context, world)]
}
