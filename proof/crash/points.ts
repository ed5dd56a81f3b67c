/**
 * Durable steps at which the process is killed, by the name of the store's verb. `nth`: at which of them, counted from
 * the start, so that work is under way when it happens (the first job is `hello`, of the first user).
 */
export interface Step {
  readonly verb: string
  readonly nth: number
}

const step = (verb: string, nth = 1): Step => ({ verb, nth })

/** Steps of the work itself: users create, trigger and cancel, and jobs run. */
export const workSteps: readonly Step[] = [
  // job-service
  step('jobs.create', 5),
  step('jobs.change'),
  step('jobs.fenced'),
  step('jobs.mark-published', 3),
  step('requests.insert', 6),
  step('requests.settle', 6),
  step('executions.trigger', 4),
  step('executions.copy', 5),
  step('summaries.raise', 5),
  // scheduler-service
  step('schedules.insert', 3),
  step('schedules.save', 5),
  step('schedules.change'),
  // executor-service
  step('executions.insert', 4),
  step('executions.claim', 3),
  step('executions.start', 2),
  step('executions.finish', 5),
  step('executions.skip'),
  step('executions.wait'),
  step('executions.wake'),
  step('executions.cancel'),
  step('executions.expire'),
  step('executions.close'),
  step('admissions.fence'),
  step('admissions.settle'),
  step('admissions.place', 2),
  step('logs.append', 2),
  step('artifacts.put'),
  step('outbox.mark', 4),
]

/** Steps of the start after a kill, in which interrupted runs are taken over: so the process dies twice. */
export const recoverySteps: readonly Step[] = [
  step('executors.enlist'),
  step('executors.takeover'),
  step('executions.lose'),
  step('executions.start'),
  step('schedules.save'),
]

/** Steps of writing down what was missed. */
export const fireLogSteps: readonly Step[] = [step('fire-log.upsert'), step('schedules.save', 2)]

/** Steps of leaving runs to executors that have their job type. */
export const handOverSteps: readonly Step[] = [step('executions.hand-over')]

export const phases = ['before', 'after'] as const
export type Phase = (typeof phases)[number]

/** The value of `BELFRY_CRASH_AT`. */
export function crashAt({ verb, nth }: Step, phase: Phase): string {
  return `${verb}:${phase}#${nth}`
}
