import * as audit from '@belfry/audit/steps'
import * as storage from '@belfry/storage/steps'

const both = [
  ...storage.cursorSteps,
  ...storage.poisonSteps,
  ...['jobs.create', 'jobs.change', 'jobs.raise-due', 'jobs.mark-published', 'jobs.fenced', 'jobs.postpone-fence'],
  'jobs.purge',
  ...['executions.trigger', 'executions.retried', 'executions.copy', 'executions.resend', 'executions.purge'],
  'summaries.raise',
  ...['requests.insert', 'requests.retake', 'requests.settle', 'requests.remove', 'requests.purge'],
  ...['secrets.put', 'secrets.remove', 'secrets.reseal'],
  ...['notifications.create', 'notifications.change', 'notifications.remove'],
  ...['deliveries.insert', 'deliveries.change', 'deliveries.purge'],
  ...['jobEvents.insert', 'jobEvents.change', 'jobEvents.purge'],
  ...['alerts.change', 'alerts.purge'],
  ...['mailCounts.change', 'mailCounts.purge'],
]

/** The durable steps of this service's stores, by the kind of the store (`createStepCheck` of libs/storage). */
export const durableSteps = {
  sqlite: [
    ...storage.sqliteSteps,
    ...audit.auditSteps.sqlite,
    ...both,
    ...['owners.know', 'alerts.insert', 'mailCounts.insert'],
  ],
  mongo: [
    ...storage.mongoSteps,
    ...storage.numberSteps,
    ...audit.auditSteps.mongo,
    ...both,
    ...['jobs.renumber', 'jobs.void', 'summaries.purge', 'requests.expire'],
    ...['keys.insert', 'keys.take', 'keys.remove'],
  ],
} as const
