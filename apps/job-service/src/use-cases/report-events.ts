import { isRefusal } from '@belfry/contracts'
import type { Execution } from '../domain/execution.ts'
import { pausedAfterFailures, versionOfPause } from '../domain/job.ts'
import {
  type Alert,
  eventOfStatus,
  inOrder,
  type JobEvent,
  newAlert,
  newestFailing,
  postponed,
  type RecordedEvent,
  recordedEvents,
  reported as reportedEvent,
  windowEnd,
} from '../domain/job-event.ts'
import { asOwner } from '../domain/reach.ts'
import { countFailuresInRow } from '../domain/status.ts'
import type { StoredJob } from '../store/ports.ts'
import { type ChangeContext, changeJob } from './change-job.ts'
import type { JobContext } from './context.ts'
import { concerned, type ReportContext, report } from './report.ts'

export type ReportEventsContext = ReportContext &
  ChangeContext &
  Pick<JobContext, 'stores' | 'clock' | 'config' | 'log'>

/** How long an event waits while the copy of its execution has another status, milliseconds: both come from one message. */
const copyWithinMs = 60_000
/**
 * How soon the copy is looked for again, milliseconds: after an eighth of the time that the event has waited, between these. A process may
 * have died between event and copy, and stay away for long.
 */
const copyAgainMs = { least: 250, most: 60_000 } as const
/** Executions that have neither failed nor succeeded, among those that decide on a pause. */
const othersBetween = 100

/** An event with its execution; null for missed fire times. */
interface Ready {
  readonly event: JobEvent
  readonly execution: Execution | null
}

/**
 * Turns events of jobs into deliveries: those of one job and kind within a window are one message. An event counts as reported once the
 * deliveries are stored, so a crash repeats it; their ids follow from the event, so the repetition makes no second message. Answers how
 * many events could not be handled.
 */
export async function reportEvents(context: ReportEventsContext, events: readonly JobEvent[]): Promise<number> {
  const ready = await withExecutions(context, events)
  const jobs = Map.groupBy(ready, ({ event }) => event.jobId)
  const failed = await Promise.all(
    [...jobs].map(async ([jobId, some]) => {
      try {
        await reportJob(context, jobId, some)
        return 0
      } catch (err) {
        context.log.warn({ err, jobId }, 'the events of a job could not be reported yet')
        return some.length
      }
    }),
  )
  return failed.reduce((sum, count) => sum + count, 0)
}

/**
 * Events whose copy of the execution is there. The others come again, or are given up: soon where the copy says something else, and after the
 * time for which messages are stored where there is none.
 */
async function withExecutions(
  { stores, clock, config }: ReportEventsContext,
  events: readonly JobEvent[],
): Promise<Ready[]> {
  const now = clock.now()
  const ids = events.flatMap(({ type, id }) => (type === 'missed' ? [] : [id]))
  const rowIds = (await stores.executions.readRowIds(ids)).flatMap((rowId) => rowId ?? [])
  const found = new Map((await stores.executions.readMany(rowIds, [])).flatMap((one) => (one ? [[one.id, one]] : [])))
  const ready: Ready[] = []
  const others: JobEvent[] = []
  for (const event of events) {
    const execution = found.get(event.id)
    if (event.type === 'missed') ready.push({ event, execution: null })
    else if (execution && eventOfStatus(execution.status) === event.type) ready.push({ event, execution })
    else others.push(event)
  }
  const swaps = others.map((event) => {
    const waitedMs = now - event.at
    const isOld = waitedMs > (found.has(event.id) ? copyWithinMs : config.jobNotifyKeep)
    const againMs = Math.min(copyAgainMs.most, Math.max(copyAgainMs.least, Math.floor(waitedMs / 8)))
    return { before: event, next: isOld ? reportedEvent(event) : postponed(event, now + againMs) }
  })
  if (swaps.length > 0) await stores.events.compareAndSetMany(swaps)
  return ready
}

async function reportJob(context: ReportEventsContext, jobId: string, ready: readonly Ready[]): Promise<void> {
  const { stores, clock, config } = context
  const done = (events: readonly JobEvent[]) => markReported(context, events)
  const job = await stores.jobs.findById(jobId)
  if (!job) return void (await done(ready.map(({ event }) => event)))
  await pauseIfFailing(context, job, ready)
  const concernedBy = await concerned(context, job)
  const now = clock.now()
  let alert = (await stores.alerts.find(jobId)) ?? newAlert(jobId, now)
  for (const type of recordedEvents) {
    const some = ready.filter(({ event }) => event.type === type)
    if (some.length === 0) continue
    const notifications = concernedBy(type)
    const waitsUntil = windowEnd(alert, type, config.jobNotifyWindowMs)
    if (notifications.length > 0 && waitsUntil > now) {
      const swaps = some.map(({ event }) => ({ before: event, next: postponed(event, waitsUntil) }))
      await stores.events.compareAndSetMany(swaps)
      continue
    }
    const isRecoverable = concernedBy('recovered').length > 0
    const failing = isRecoverable ? newestFailing(alert.failing, executionsOf(some)) : alert.failing
    const madeAt = notifications.length > 0 ? await reportSome(context, job, type, some, notifications) : null
    const sentAt = madeAt === null ? alert.sentAt : { ...alert.sentAt, [type]: madeAt }
    alert = await saveAlert(context, alert, { sentAt, failing })
    // What came after a message that was made before a crash is reported by the next one.
    await done(some.flatMap(({ event }) => (madeAt === null || event.at <= madeAt ? [event] : [])))
  }
}

const executionsOf = (ready: readonly Ready[]): Execution[] => ready.flatMap(({ execution }) => execution ?? [])

function reportSome(
  context: ReportEventsContext,
  job: StoredJob,
  event: RecordedEvent,
  ready: readonly Ready[],
  notifications: Parameters<typeof report>[1],
): Promise<number> {
  const ordered = inOrder(ready.map((one) => one.event))
  const executions = executionsOf(ready).toSorted((a, b) => a.fireAt - b.fireAt || (a.id < b.id ? -1 : 1))
  const missed = ordered.flatMap((one) => one.missed ?? [])
  const name = `${event} ${ordered[0]?.id}`
  return report(context, notifications, name, { event, job, executions, missed, reason: null })
}

/** Another instance may have postponed some of them meanwhile, which is the one change that they have beside this one. */
async function markReported({ stores }: ReportEventsContext, events: readonly JobEvent[]): Promise<void> {
  let left = events
  for (let tries = markTries; tries > 0 && left.length > 0; tries -= 1) {
    const isMarked = await stores.events.compareAndSetMany(
      left.map((before) => ({ before, next: reportedEvent(before) })),
    )
    left = left.filter((_, index) => !isMarked[index]).map((event) => ({ ...event, rev: event.rev + 1 }))
  }
}
const markTries = 3

/** Stores what has changed of a job's alert. Another instance that was faster makes this one come again. */
async function saveAlert(
  { stores, clock }: ReportEventsContext,
  before: Alert,
  changed: Pick<Alert, 'sentAt' | 'failing'>,
): Promise<Alert> {
  if (before.sentAt === changed.sentAt && before.failing === changed.failing) return before
  const next = { ...before, ...changed, updatedAt: clock.now(), rev: before.rev + 1 }
  if (await stores.alerts.compareAndSet({ before, next })) return next
  throw new Error('another instance reports the events of the job')
}

/** Pauses a job whose newest executions since its last change have all failed, as many as it allows, and reports it. */
async function pauseIfFailing(context: ReportEventsContext, job: StoredJob, ready: readonly Ready[]): Promise<void> {
  const { stores, clock } = context
  const most = job.spec.pauseAfterFailures
  if (most === undefined || !executionsOf(ready).some(({ status }) => status !== 'EXPIRED')) return
  // What is handed over ahead of its time has not ended.
  const query = { after: null, limit: most + othersBetween, fields: [], to: clock.now() }
  const newest = await stores.executions.listSummaries({ jobRowId: job.rowId }, query)
  const since = newest.filter(({ fireAt }) => fireAt >= job.changedAt)
  if (job.state === 'active' && countFailuresInRow(since.map(({ status }) => status)) >= most) {
    const target = { caller: asOwner(job.ownerId), ref: job.id }
    const paused = await changeJob(
      context,
      target,
      (found) => pausedAfterFailures(found, job.version, most, clock.now()),
      { need: 'operate' },
    )
    if (isRefusal(paused)) throw new Error(paused.detail)
  }
  const after = await stores.jobs.findById(job.id)
  const pausedAt = after && versionOfPause(after)
  if (after?.pause?.by !== 'failures' || pausedAt === undefined) return
  const notifications = (await concerned(context, after))('auto-paused')
  const executions = executionsOf(ready).filter(({ fireAt }) => fireAt < after.changedAt)
  const reported = { event: 'auto-paused', job: after, executions: executions.slice(-1), missed: [] } as const
  if (notifications.length > 0)
    await report(context, notifications, `auto-paused ${after.id} ${pausedAt}`, {
      ...reported,
      reason: after.pause.reason ?? '',
    })
}
