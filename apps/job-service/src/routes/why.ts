import { isRefusal, jobRef, toWireTime, whyQuery, whyView } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import { z } from 'zod'
import { type Asked, type ExplainContext, explainRun } from '../use-cases/explain-run.ts'

/** `GET /jobs/:id/why`: why a run happened, or did not. */
export function mountWhy(app: HttpApp, context: ExplainContext): void {
  const schema = {
    operationId: 'explainRun',
    tags: ['jobs'],
    summary: 'Why a run of a job happened or did not',
    description:
      'Says in sentences what happened at a time, or to an execution, and how it came to that. Each answer names its evidence: the execution, what the scheduler logged, the change of the job and who made it.',
    params: z.object({ id: jobRef }),
    querystring: whyQuery,
    response: { 200: whyView },
  }
  app.get('/jobs/:id/why', { schema, config: { access: 'viewer' } }, async (request, reply) => {
    const { at, execution: executionId = '' } = request.query
    const asked: Asked = at ? { at: 'at' in at ? at.at : context.clock.now() - at.agoMs } : { executionId }
    const explained = await explainRun(context, { caller: request.caller, ref: request.params.id }, asked)
    if (isRefusal(explained)) return reply.refuse(explained)
    const { job, execution, answers } = explained
    return reply.send({
      jobId: job.id,
      at: toWireTime(explained.at),
      executionId: execution?.id ?? null,
      answers: answers.map(({ evidence, ...rest }) => ({ ...rest, evidence: [...evidence] })),
    })
  })
}
