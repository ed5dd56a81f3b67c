import type { JobChangesMessage, JobStatusMessage } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { applyChanges } from './changes.ts'
import { advance, type Compile } from './firing.ts'
import type { Draft, Keeping } from './keeping.ts'
import type { PageBounds, ScheduleStore, StoredSchedule } from './ports.ts'
import type { Rules } from './schedule-record.ts'
import { acknowledge, takeDueCommands } from './sending.ts'

export interface HearingOptions {
  readonly schedules: ScheduleStore
  readonly keeping: Keeping
  readonly compile: Compile
  readonly rules: Rules
  readonly clock: Clock
  /** Records that are read and stored at once. */
  readonly page: PageBounds
  /** What was over before this moment has been cleared away, epoch milliseconds. */
  readonly horizon: () => number
  /** How often a record is read again when another writer was first. */
  readonly mostTries: number
  /** Lets others have the main loop when this has had it for long enough; undefined when it has not. */
  readonly giveWay: () => Promise<void> | undefined
  /** A message that nothing can be done with, and why. */
  readonly onRefused: (jobId: string, reason: string) => void
}

/** A job that was not taken over. `isLater`: only because its commands have no room now. */
interface NotTaken {
  readonly id: string
  readonly reason: string
  readonly isLater?: boolean
}

/** What the scheduler does with what the other services say. */
export interface Hearing {
  /**
   * Takes over jobs (protocol.md, step 5), and advances at once those that are due. Answers the jobs that were not taken
   * over. Rejects when a record changed too often meanwhile.
   */
  takeChanges(messages: readonly JobChangesMessage[]): Promise<readonly NotTaken[]>
  /** Takes commands back that the executors have shown to have (step 7). What it misses is answered again. */
  takeStatuses(statuses: readonly JobStatusMessage[]): Promise<void>
}

/** The newest message of each job: it says all that the older ones said. */
function newestOf(messages: readonly JobChangesMessage[]): JobChangesMessage[] {
  const newest = new Map<string, JobChangesMessage>()
  for (const message of messages) {
    const known = newest.get(message.jobId)
    if (!known || message.version > known.version) newest.set(message.jobId, message)
  }
  return [...newest.values()]
}

function byJob(statuses: readonly JobStatusMessage[]): (readonly [string, readonly JobStatusMessage[]])[] {
  return [...Map.groupBy(statuses, ({ jobId }) => jobId)]
}

export function createHearing(options: HearingOptions): Hearing {
  const { schedules, keeping, compile, rules, clock, page, horizon, mostTries, giveWay, onRefused } = options

  /** One try for the first of `items`: how many were looked at, and those of them whose record changed meanwhile. */
  type Round<T> = (items: readonly T[]) => Promise<{ readonly seen: number; readonly lost: readonly T[] }>

  /** Answers what is left after the last try. */
  async function untilKept<T>(items: readonly T[], round: Round<T>): Promise<readonly T[]> {
    let left: readonly T[] = items
    for (let tries = 0; left.length > 0 && tries < mostTries; tries++) {
      const lost: T[] = []
      for (let from = 0; from < left.length; ) {
        const tried = await round(left.slice(from, from + page.rows))
        from += tried.seen
        lost.push(...tried.lost)
      }
      left = lost
    }
    return left
  }

  async function keepPairs<T>(pairs: readonly (readonly [T, Draft])[], now: number): Promise<readonly T[]> {
    const isKept = await keeping.keep(
      pairs.map(([, draft]) => draft),
      now,
    )
    return pairs.flatMap(([item], index) => (isKept[index] ? [] : [item]))
  }

  /** Null when there is nothing to change. */
  function changed(before: StoredSchedule | null, message: JobChangesMessage, now: number): Draft | NotTaken | null {
    const { jobId: id } = message
    const applied = applyChanges(before?.record ?? null, message, now, compile, rules, horizon())
    if (applied.outcome === 'incomplete') return { id, reason: 'its newest version is not among its changes' }
    if (applied.outcome === 'no-room') return { id, reason: 'its commands have no room', isLater: true }
    if (applied.outcome !== 'applied') return null
    return { before, ...takeDueCommands(advance(applied.record, now, compile, rules), now, null, rules) }
  }

  async function changesRound(messages: readonly JobChangesMessage[], notTaken: NotTaken[]) {
    const refuse = (one: NotTaken) => {
      if (!one.isLater) onRefused(one.id, one.reason)
      notTaken.push(one)
    }
    const stored = await schedules.read(
      messages.map(({ jobId }) => jobId),
      page.bytes,
    )
    const now = clock.now()
    const pairs: [JobChangesMessage, Draft][] = []
    for (const [index, before] of stored.entries()) {
      const message = messages[index] as JobChangesMessage
      if (before && 'unreadable' in before) {
        refuse({ id: message.jobId, reason: before.unreadable })
        continue
      }
      const draft = changed(before ?? null, message, now)
      if (draft && 'reason' in draft) refuse(draft)
      else if (draft) pairs.push([message, draft])
      const pause = giveWay()
      if (pause) await pause
    }
    return { seen: stored.length, lost: await keepPairs(pairs, now) }
  }

  type OfJob = readonly [string, readonly JobStatusMessage[]]
  async function statusesRound(jobs: readonly OfJob[]) {
    const stored = await schedules.readWaiting(
      jobs.map(([jobId]) => jobId),
      page.bytes,
    )
    const pairs: [OfJob, Draft][] = []
    for (const [index, before] of stored.entries()) {
      const job = jobs[index] as OfJob
      if (!before || 'unreadable' in before) continue
      const record = job[1].reduce(acknowledge, before.record)
      if (record !== before.record) pairs.push([job, { before, record, commands: [] }])
      const pause = giveWay()
      if (pause) await pause
    }
    return { seen: stored.length, lost: await keepPairs(pairs, clock.now()) }
  }

  return {
    async takeChanges(messages) {
      const notTaken: NotTaken[] = []
      const left = await untilKept(newestOf(messages), (some) => changesRound(some, notTaken))
      if (left.length > 0)
        throw new Error(`${left.length} jobs changed ${mostTries} times while a change was taken over`)
      return notTaken
    },
    async takeStatuses(statuses) {
      // A trigger is job-service's own command: the scheduler waits for none.
      const own = statuses.filter(({ cause }) => cause === 'schedule')
      if (own.length > 0) await untilKept(byJob(own), statusesRound)
    },
  }
}
