import {
  type FireRangeView,
  fireDecisions,
  fireRangeView,
  isRefusal,
  jobRef,
  pageOf,
  pageQuery,
  toWireTime,
} from '@belfry/contracts'
import { decodeCursor, type HttpApp, sendPage } from '@belfry/http'
import { z } from 'zod'
import type { FireRange } from '../domain/schedule-record.ts'
import type { FireLogStore } from '../store/ports.ts'
import type { FindJob } from '../use-cases/find-job.ts'

export interface FireLogRoutes {
  readonly fireLog: FireLogStore
  readonly findJob: FindJob
}

const positionShape = z.tuple([z.int(), z.enum(fireDecisions)])

function viewRange({ from, to, ...rest }: FireRange): FireRangeView {
  return { from: toWireTime(from), to: toWireTime(to), ...rest }
}

/** `GET /jobs/:id/fire-log`: the fire times of a job that have no execution, and why. */
export function mountFireLog(app: HttpApp, { fireLog, findJob }: FireLogRoutes): void {
  const schema = {
    tags: ['jobs'],
    summary: 'Fire times of a job that have no execution, and why; newest first',
    params: z.object({ id: jobRef }),
    querystring: pageQuery,
    response: { 200: pageOf(fireRangeView) },
  }
  app.get('/jobs/:id/fire-log', { schema, config: { access: 'viewer' } }, async (request, reply) => {
    const { limit, cursor } = request.query
    const after = cursor === undefined ? null : decodeCursor(cursor, positionShape)
    if (isRefusal(after)) return reply.refuse(after)
    const token = String(request.headers.authorization).slice('Bearer '.length)
    const jobId = await findJob(request.params.id, token)
    if (isRefusal(jobId)) return reply.refuse(jobId)
    const ranges = await fireLog.listOfJob(jobId, limit + 1, after && { from: after[0], decision: after[1] })
    return sendPage(reply, ranges, limit, ({ from, decision }) => [from, decision], viewRange)
  })
}
