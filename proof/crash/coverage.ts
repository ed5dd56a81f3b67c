import { durableSteps as authSteps } from '@belfry/auth-service'
import type { ServiceName } from '@belfry/contracts'
import { durableSteps as executorSteps } from '@belfry/executor-service'
import { durableSteps as jobSteps } from '@belfry/job-service'
import { durableSteps as schedulerSteps } from '@belfry/scheduler-service'
import type { ActName } from './acts/index.ts'
import { fireLogSteps, handOverSteps, recoverySteps, workSteps } from './points.ts'

export type StoreKind = 'sqlite' | 'mongo'
export const storeKinds = ['sqlite', 'mongo'] as const

/** How the process comes to its point. */
export type Way = {
  readonly act: ActName
  /**
   * `work` (default): while the act is played. `fresh`: at the first start on an empty store. `start`: at a start. `take-over`: at the start after a kill under the
   * act. `stop`: at an orderly stop under the act.
   */
  readonly at?: 'work' | 'fresh' | 'start' | 'take-over' | 'stop'
  /** The process dies there first, under the same act. */
  readonly first?: string
  /** A service that is away until the process has died. */
  readonly without?: ServiceName
  /** The step is one of a message that cannot be read, which is put on this topic. */
  readonly poison?: 'execute' | 'status' | 'changes'
}

/** A step that no scenario reaches, and why its crash loses nothing: one sentence. */
interface Exempt {
  readonly exempt: string
}

type Ways = Readonly<Record<string, Way | Exempt>>

const under = (act: ActName, ...steps: readonly string[]): Ways =>
  Object.fromEntries(steps.map((step) => [step, { act }]))
const exempt = (reason: string, ...steps: readonly string[]): Ways =>
  Object.fromEntries(steps.map((step) => [step, { exempt: reason }]))

const ageing =
  'A purge removes records that nothing reads any more, each under a guard of its own; the next round finds what is left.'
const spoiled = 'Marks a record that cannot be read, so that the next poll finds the same record and marks it again.'
const counted =
  'Counts a mail before it is sent. A crash in between uses up room of a quota, and the mail is sent after its lease.'
const unread = 'The bus of one process carries its own messages only, which it can read.'
const versions = 'Raises the number of the schema, and is done again at the next start.'
const firstRow =
  'The audit row of the first admin inserts it, before any act is played; it is the write of job-service, which has its points.'
const late =
  'Follows a write that took longer than a change number may be old; reconcile compares the record all the same.'

const mark = 'The only position of this service is the mark of its retention clock; an older one makes retention wait.'
const sameVerb = 'One process has one store thread: the same verb is driven in another of its files.'

const audited = (act: ActName): Ways => ({
  ...under(act, 'audit.append', 'audit.complete', 'audit.freeze', 'audit.seal'),
  ...exempt(ageing, 'audit.remove'),
})

const opening = {
  'schema.migrate': { act: 'once', at: 'fresh' },
  'schema.insert': { act: 'once', at: 'start' },
  ...exempt(versions, 'schema.raise'),
} as const satisfies Ways

/** A name of numbers is inserted once in a database. */
const numbers = {
  'numbers.insert': { act: 'once', at: 'fresh' },
  'numbers.take': { act: 'once' },
} as const satisfies Ways

const auth: Ways = {
  ...under('accounts', 'numbers.take'),
  ...exempt(firstRow, 'numbers.insert'),
  ...opening,
  ...audited('accounts'),
  ...exempt(mark, 'cursors.move'),
  ...under('idle', 'sessions.purge'),
  ...under('accounts', 'users.insert', 'users.replace', 'users.countWrong', 'users.clearWrong', 'admins.replace'),
  ...under('accounts', 'sessions.insert', 'sessions.rotate', 'sessions.remove', 'sessions.removeOfUser'),
  ...under('accounts', 'apiKeys.insert', 'apiKeys.remove', 'apiKeys.touch'),
  ...under('signingKeys', 'keys.insert'),
  ...exempt(ageing, 'keys.remove'),
  ...exempt('The first admin inserts an empty list, which reads as no list; the call is made again.', 'admins.insert'),
}

const job: Ways = {
  ...numbers,
  ...opening,
  ...audited('secrets'),
  ...under('once', 'cursors.move'),
  ...under('idle', 'requests.purge', 'deliveries.purge', 'jobEvents.purge', 'alerts.purge'),
  ...under('newOwner', 'owners.know'),
  ...under('once', 'jobs.create', 'jobs.mark-published', 'requests.insert'),
  ...under('once', 'executions.copy', 'summaries.raise'),
  ...under('batch', 'jobs.create'),
  ...under('changes', 'jobs.change', 'jobs.fenced'),
  ...under('upcoming', 'jobs.raise-due'),
  'jobs.postpone-fence': { act: 'changes', without: 'executor-service' },
  ...under('keyed', 'keys.insert', 'keys.take'),
  'jobs.void': { act: 'abandoned', first: 'jobs.create:before' },
  ...under('triggers', 'executions.trigger'),
  'executions.resend': { act: 'triggers', without: 'executor-service' },
  ...under('notified', 'executions.retried', 'notifications.create', 'notifications.change', 'notifications.remove'),
  ...under('notified', 'deliveries.insert', 'deliveries.change', 'jobEvents.insert', 'jobEvents.change'),
  ...under('notified', 'alerts.insert', 'alerts.change'),
  ...under('backfill', 'requests.settle'),
  'requests.retake': { act: 'once', first: 'requests.settle:before' },
  ...under('refused', 'requests.remove'),
  ...under('secrets', 'secrets.put', 'secrets.remove'),
  ...exempt('A round that was cut off is begun anew (loops/reseal.test.ts).', 'secrets.reseal'),
  'poison.keep': { act: 'once', poison: 'status' },
  ...exempt(counted, 'mailCounts.insert', 'mailCounts.change'),
  ...exempt(ageing, 'mailCounts.purge', 'jobs.purge', 'summaries.purge', 'keys.remove', 'executions.purge'),
  ...exempt('Gives way to the insert of the same call, which is repeated with its key.', 'requests.expire'),
  ...exempt(late, 'jobs.renumber'),
}

const scheduler: Ways = {
  ...opening,
  ...under('once', 'cursors.move', 'schedules.insert'),
  ...under('overlap', 'schedules.save'),
  ...under('changes', 'schedules.change'),
  ...under('paused', 'fire-log.upsert'),
  'poison.keep': { act: 'once', poison: 'changes' },
  ...exempt(spoiled, 'schedules.postpone'),
  ...exempt(ageing, 'schedules.purge', 'fire-log.purge'),
}

const executor: Ways = {
  ...numbers,
  ...opening,
  ...under('drain', 'cursors.move'),
  ...under('once', 'executions.insert', 'executions.finish', 'outbox.mark'),
  ...under('delayed', 'executions.claim'),
  ...under('atMostOnce', 'executions.start'),
  ...under('overlap', 'executions.skip', 'executions.wait', 'executions.wake', 'admissions.place'),
  ...under('cancelRunning', 'executions.cancel'),
  ...under('expired', 'executions.expire'),
  ...under('lateChanges', 'executions.replace', 'executions.close', 'admissions.fence', 'admissions.settle'),
  'executions.republish': { act: 'once', first: 'executions.insert:after' },
  'executions.lose': { act: 'long', at: 'take-over' },
  'executors.enlist': { act: 'once', at: 'start' },
  'executors.gone': { act: 'long', at: 'take-over' },
  'executors.takeover': { act: 'long', at: 'take-over' },
  'executors.leave': { act: 'long', at: 'stop' },
  'executions.hand-back': { act: 'many', at: 'stop' },
  ...under('idle', 'executors.beat'),
  ...under('report', 'logs.append', 'artifacts.put'),
  'poison.keep': { act: 'once', poison: 'execute' },
  ...exempt(spoiled, 'executions.put-aside'),
  ...exempt(ageing, 'executions.purge', 'executions.purge-rest', 'executions.orphans', 'admissions.purge'),
  ...exempt(ageing, 'logs.purge', 'artifacts.purge'),
  ...exempt(late, 'executions.renumber'),
  ...exempt('Takes an epoch out of doubt; while it is in doubt a cancel names one run more.', 'executions.take-back'),
  ...exempt('Raises a moment that only retention reads; the next closed run raises it.', 'admissions.touch'),
  ...under('largeParams', 'executions.params'),
}

/** Ways that only one of the stores has. */
const only: Readonly<Record<StoreKind, Readonly<Partial<Record<ServiceName, Ways>>>>> = {
  sqlite: {
    'job-service': {
      'executions.resend': { act: 'triggers', first: 'executions.insert:before' },
      ...exempt('The executors are in the same process, and answer as long as it lives.', 'jobs.postpone-fence'),
      ...exempt(unread, 'poison.keep'),
      ...exempt(sameVerb, 'schema.migrate', 'cursors.move'),
    },
    'scheduler-service': { ...exempt(unread, 'poison.keep'), ...exempt(sameVerb, 'schema.migrate', 'cursors.move') },
    'executor-service': {
      ...exempt(
        'Asks for one more publication; a sender repeats its command until it has seen the state.',
        'executions.republish',
      ),
      ...exempt(unread, 'poison.keep'),
      ...exempt(sameVerb, 'schema.migrate'),
      ...exempt(
        'The lock on the data folder says that no other executor lives; a start takes over all.',
        'executors.gone',
        'executors.beat',
      ),
    },
  },
  mongo: {
    'job-service': {
      ...exempt(
        `${ageing} On MongoDB a round that finds nothing writes nothing.`,
        ...['requests.purge', 'deliveries.purge', 'jobEvents.purge', 'alerts.purge'],
      ),
    },
    'executor-service': {
      ...exempt('Only the sole owner of a store removes all other executors.', 'executors.takeover'),
      ...exempt('Driven on SQLite; the write is that of every change of an execution.', 'executions.hand-over'),
    },
  },
}

const ways = { 'auth-service': auth, 'job-service': job, 'scheduler-service': scheduler, 'executor-service': executor }
const steps = {
  'auth-service': authSteps,
  'job-service': jobSteps,
  'scheduler-service': schedulerSteps,
  'executor-service': executorSteps,
}
type StoringService = keyof typeof steps
const storingServices = Object.keys(steps) as StoringService[]

/** Steps of the scenarios in which one process works for many users: on SQLite. */
const scenarioSteps = new Set([workSteps, recoverySteps, fireLogSteps, handOverSteps].flat().map(({ verb }) => verb))

/** A durable step, and how its points are reached; undefined where nothing says so. */
export interface Covered {
  readonly service: StoringService
  readonly step: string
  readonly way: Way | Exempt | 'scenario' | undefined
}

function wayOf(kind: StoreKind, service: StoringService, step: string): Covered['way'] {
  const own = only[kind][service]?.[step]
  if (own) return own
  if (kind === 'sqlite' && scenarioSteps.has(step)) return 'scenario'
  return ways[service][step]
}

/** All durable steps of a store's services. */
export function coverageOf(kind: StoreKind): Covered[] {
  return storingServices.flatMap((service) =>
    [...new Set<string>(steps[service][kind])].map((step) => ({ service, step, way: wayOf(kind, service, step) })),
  )
}

/** What has a way and is no durable step of any store. */
export function strangers(): string[] {
  const known = (service: StoringService, step: string) =>
    storeKinds.some((kind) => (steps[service][kind] as readonly string[]).includes(step))
  const named = storingServices.flatMap((service) => {
    const own = storeKinds.flatMap((kind) => Object.keys(only[kind][service] ?? {}))
    return [...Object.keys(ways[service]), ...own].filter((step) => !known(service, step))
  })
  const all = new Set<string>(storingServices.flatMap((service) => steps[service].sqlite))
  return [...named, ...[...scenarioSteps].filter((step) => !all.has(step))]
}
