import { backfillBody, backfillReply, isRefusal } from '@belfry/contracts'
import { type HttpApp, setItemCount, type WithIdempotency } from '@belfry/http'
import { backfill } from '../use-cases/backfill.ts'
import type { JobContext } from '../use-cases/context.ts'
import { jobParams } from './jobs.ts'
import { momentOf } from './query-times.ts'

/** `POST /jobs/:id/backfill`: fire times of the past. */
export function mountBackfill(app: HttpApp, context: JobContext, once: WithIdempotency): void {
  const { clock } = context
  const schema = {
    tags: ['jobs'],
    operationId: 'backfillJob',
    summary: 'Run fire times of the past that have not run',
    description:
      'Makes an execution with cause `backfill` for each fire time between `from` and `to`, as the schedule of the job says now, oldest first, up to 1000 a call; go on with `from` = `next`. Fire times that have run are left out, unless `again`. The executions do not overlap: they run as many at once as the overlap limit of the job says. The same call again makes none of them twice.',
    params: jobParams,
    body: backfillBody,
    response: { 200: backfillReply, 202: backfillReply },
    requestHeaders: ['idempotency-key'],
    answerHeaders: { 202: ['idempotency-replayed'] },
    problems: ['illegal-transition', 'impossible', 'too-many-requests'],
    examples: {
      dryRun: { summary: 'What would run of the last hour', value: { from: '-1h', dryRun: true } },
      lastHour: {
        summary: 'The last hour, ten runs at most',
        value: { from: '-1h', limit: 10, reason: 'The import was off.' },
      },
    },
  } as const
  app.post('/jobs/:id/backfill', { schema, config: { access: 'user' } }, (request, reply) =>
    once(request, reply, async (minted) => {
      const { from, to, reason = null, ...more } = request.body
      const range = { from: momentOf(from, clock) ?? 0, to: momentOf(to, clock) ?? clock.now() }
      const asked = { caller: request.caller, ref: request.params.id, minted, reason, ...range, ...more }
      const answer = await backfill(context, asked)
      if (!isRefusal(answer) && !answer.dryRun) setItemCount(reply, { items: answer.results.length, areRuns: true })
      return isRefusal(answer) ? answer : { status: answer.dryRun ? 200 : 202, body: answer }
    }),
  )
}
