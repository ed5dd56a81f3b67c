import { walkPages } from '@belfry/service'
import type { WorkShare } from '@belfry/storage'
import type { Alert } from '../domain/job-event.ts'
import { type ReportEventsContext, reportEvents } from '../use-cases/report-events.ts'
import { reportRecovered } from '../use-cases/report-recovered.ts'

export interface ReportLoopOptions {
  readonly share: () => WorkShare
  /** Events, and failing jobs, that are looked at in one iteration. */
  readonly rows: number
  /** Wakes what sends messages. */
  readonly onReported: () => void
}

/**
 * One iteration of reporting events: a page of those that are due. Answers true when there may be more at once; events that could not be reported
 * stay due, and come again with the next iteration.
 */
export function createReportEvents(
  context: ReportEventsContext,
  { share, rows, onReported }: ReportLoopOptions,
): () => Promise<boolean> {
  const { stores, clock } = context
  return async () => {
    const { rows: due, next } = await stores.events.listDue(clock.now(), rows, share())
    if (due.length === 0) return false
    const failed = await reportEvents(context, due)
    onReported()
    return next !== null && failed === 0
  }
}

/** One iteration of looking whether failing jobs have succeeded: the next page of them. Several instances may look at one job. */
export function createReportRecovered(
  context: ReportEventsContext,
  { rows, onReported }: Omit<ReportLoopOptions, 'share'>,
): () => Promise<void> {
  const { stores, log } = context
  const nextPage = walkPages<Alert, string>((after) => stores.alerts.listFailing(after, rows))
  return async () => {
    const page = await nextPage()
    for (const alert of page.rows) {
      await reportRecovered(context, alert).catch((err: unknown) => {
        log.warn({ err, jobId: alert.jobId }, 'a job that may have recovered is looked at again')
      })
    }
    if (page.rows.length > 0) onReported()
  }
}
