import type { Alert } from '../domain/job-event.ts'
import { concerned, type ReportContext, report } from './report.ts'

/**
 * Reports that a failing job has succeeded: its newest execution that has ended is a SUCCESS, and was due after the one that failed. What
 * the job's progress says is enough, so that a success costs nothing when it is stored.
 */
export async function reportRecovered(context: ReportContext, alert: Alert): Promise<void> {
  const { stores, clock } = context
  const { jobId, failing } = alert
  const job = await stores.jobs.findById(jobId)
  const isOver = !job || job.state === 'cancelled' || job.state === 'deleted'
  const last = job?.known.last
  const isRecovered = failing !== null && last?.status === 'SUCCESS' && last.fireAt > failing.fireAt
  if (!isOver && !isRecovered) return
  if (job && last && isRecovered) {
    const [rowId] = await stores.executions.readRowIds([last.id])
    const [execution] = rowId === undefined ? [] : await stores.executions.readMany([rowId], [])
    const notifications = (await concerned(context, job))('recovered')
    const executions = execution ? [execution] : []
    const reported = { event: 'recovered', job, executions, missed: [], reason: null } as const
    if (notifications.length > 0) await report(context, notifications, `recovered ${failing?.executionId}`, reported)
  }
  const next = { ...alert, failing: null, updatedAt: clock.now(), rev: alert.rev + 1 }
  await stores.alerts.compareAndSet({ before: alert, next })
}
