import { formatDuration, mostBackfilled, mostRedriven, quotasView, shortestIntervalMs } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { JobContext } from '../use-cases/context.ts'
import type { MailQuotas } from '../use-cases/mail-quotas.ts'

/** Running executions that are counted at most. */
const mostCounted = 1000

/** `GET /quotas`: what the caller has used of its bounds. */
export function mountQuotas(
  app: HttpApp,
  { stores, config }: Pick<JobContext, 'stores' | 'config'>,
  mailQuotas: Pick<MailQuotas, 'usedBy'>,
): void {
  const schema = {
    tags: ['system'],
    operationId: 'readQuotas',
    summary: 'Your bounds, and what you use of them',
    description: 'Limits of rate are in the `RateLimit` headers of each answer; docs/limits.md has all of them.',
    response: { 200: quotasView },
  }
  app.get('/quotas', { schema, config: { access: 'viewer' } }, async (request) => {
    const { jobMostPerUser: limit } = config
    const [jobs, running] = await Promise.all([
      stores.jobs.countLive(request.caller.userId, limit),
      stores.executions.countRunning(request.caller.userId, mostCounted),
    ])
    return {
      running: { used: running },
      jobs: { used: jobs, limit },
      shortestInterval: formatDuration(shortestIntervalMs),
      redrive: { limit: mostRedriven },
      backfill: { limit: mostBackfilled },
      waitingCalls: { limit: config.jobWaitersOfUser },
      mails: await mailQuotas.usedBy(request.caller.userId),
    }
  })
}
