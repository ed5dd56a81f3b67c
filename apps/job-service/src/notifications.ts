import { randomBytes } from 'node:crypto'
import { createPeerTurns, type PeerShare } from '@belfry/discovery'
import { createOutbound } from '@belfry/outbound'
import { createLoop, type Loop, type Part, type RetentionClock } from '@belfry/service'
import type { ServiceShellDeps } from '@belfry/shell'
import { createMailer } from './clients/mail.ts'
import { createWebhooks } from './clients/webhooks.ts'
import type { JobConfig } from './config.ts'
import { createDeliver } from './loops/deliver.ts'
import { createNotificationRetention } from './loops/notification-retention.ts'
import { createReportEvents, createReportRecovered } from './loops/report-events.ts'
import { createTakeMissed } from './loops/take-missed.ts'
import type { Stores } from './store/ports.ts'
import type { NotificationContext } from './use-cases/change-notification.ts'
import type { JobContext } from './use-cases/context.ts'
import { createMailQuotas } from './use-cases/mail-quotas.ts'

type JobServiceDeps = ServiceShellDeps<Stores, JobConfig>

export interface NotificationPartsOptions {
  readonly deps: JobServiceDeps
  readonly context: JobContext
  readonly retentionClock: RetentionClock
  /** This instance among those of job-service. */
  readonly peers: () => PeerShare
}

/** Notifications, wired: events become messages, which are sent. */
export interface NotificationParts {
  /** What the routes use. */
  readonly context: NotificationContext
  /** Loops that run once the other services are there. */
  readonly loops: readonly Loop[]
  /** What sends messages; stopped with the service. */
  readonly sender: Part
}

/** Connections to one origin, and how long an unused one is kept, milliseconds (as for HTTP_CALL). */
const keepAliveMs = 1000

function openSenders({ clock, config }: JobServiceDeps) {
  const { jobNotifyTimeoutMs: timeoutMs, jobNotifyConcurrency: total, smtpUrl, smtpFrom } = config
  const outbound = createOutbound({
    allowPrivate: config.jobNotifyAllowPrivate,
    connections: total,
    connectTimeoutMs: timeoutMs,
    keepAliveMs,
    lookups: { total: config.jobNotifyLookups, ofOwner: config.jobNotifyOwnerLookups, waiting: total },
  })
  const mailer = smtpUrl === undefined ? null : createMailer({ url: smtpUrl, from: smtpFrom, timeoutMs, clock })
  return { webhooks: createWebhooks({ outbound, clock, timeoutMs }), mailer }
}

function createCounters({ metrics }: JobServiceDeps) {
  const attempts = metrics.counter('belfry_notification_attempts_total', 'Attempts to send messages', ['result'])
  const drops = metrics.counter('belfry_notifications_dropped_total', 'Messages dropped: too many of a user waited')
  return {
    onAttempt: (result: string) => attempts.inc({ result }),
    onDropped: (count: number) => drops.inc({}, count),
  }
}

export function createNotifications({
  deps,
  context,
  retentionClock,
  peers,
}: NotificationPartsOptions): NotificationParts {
  const { clock, log, stores, config } = deps
  const { onAttempt, onDropped } = createCounters(deps)
  const { webhooks, mailer } = openSenders(deps)
  const share = () => ({ ...peers(), overdueAt: clock.now() - config.jobOverdueMs })
  const total = config.jobNotifyConcurrency
  const limits = { total, ofOwner: Math.ceil(total / 2), ofTarget: config.jobNotifyPerTarget }
  const rows = config.jobNotifyRows
  const common = { stores, clock, log, share, rows, limits, leaseMs: config.jobNotifyLeaseMs }
  const mailQuotas = createMailQuotas({
    ...{ store: stores.mailCounts, clock, perHour: config.jobMailsPerHour },
    ...{ toAddressPerDay: config.jobMailsToAddressPerDay, codesPerDay: config.jobMailCodesPerDay },
  })
  const deliver = createDeliver({ ...common, ...context, webhooks, mailer, mailQuotas, random: Math.random, onAttempt })
  const loop = (name: string, everyMs: number, runOnce: () => unknown) =>
    createLoop({ name, everyMs, runOnce, clock, log })
  const sending = loop('send messages', config.jobNotifyPollMs, deliver.runOnce)
  const reporting = { ...context, onDropped }
  const reportLoop = { share, rows, onReported: sending.nudge }
  const takesMissed = createPeerTurns(peers)
  const missed = { rows, settleMs: config.jobMissedSettleMs, takesTurn: takesMissed }
  const retention = createNotificationRetention({
    ...{ stores, retentionClock, rows: config.jobPurgeRows, takesTurn: createPeerTurns(peers) },
    ...{ keepMs: config.jobNotifyKeep, reportedMs: config.jobNotifyReportedMs },
  })

  return {
    context: { ...reporting, randomBytes, mailQuotas, nudge: sending.nudge },
    loops: [
      loop('report events', config.jobNotifyPollMs, createReportEvents(reporting, reportLoop)),
      loop('report recovered', config.jobNotifyPollMs, createReportRecovered(reporting, reportLoop)),
      loop('missed fire times', config.jobMissedPollMs, createTakeMissed(context, missed)),
      loop('retention of messages', config.jobPurgeMs, retention),
    ],
    sender: {
      name: 'messages',
      start: sending.start,
      async stop() {
        await sending.stop()
        await deliver.stop()
        await webhooks.close()
        mailer?.close()
      },
    },
  }
}
