import {
  type FireRangeView,
  fireDecisions,
  fireLogQuery,
  fireRangeView,
  isRefusal,
  jobRef,
  pageOf,
  type QueryTime,
  toWireTime,
} from '@belfry/contracts'
import { decodeCursor, type HttpApp, sendPage } from '@belfry/http'
import type { Clock } from '@belfry/service'
import { z } from 'zod'
import type { FireRange } from '../domain/schedule-record.ts'
import type { FindJob } from '../use-cases/find-job.ts'
import type { ListFireLog } from '../use-cases/list-fire-log.ts'

export interface FireLogRoutes {
  readonly listFireLog: ListFireLog
  readonly findJob: FindJob
  readonly clock: Clock
}

const positionShape = z.tuple([z.int(), z.enum(fireDecisions)])

function viewRange({ from, to, ...rest }: FireRange): FireRangeView {
  return { from: toWireTime(from), to: toWireTime(to), ...rest }
}

/** `GET /jobs/:id/fire-log`: the fire times of a job that have no execution, and why. */
export function mountFireLog(app: HttpApp, { listFireLog, findJob, clock }: FireLogRoutes): void {
  const schema = {
    operationId: 'listFireLog',
    tags: ['jobs'],
    summary: 'Fire times of a job that have no execution, and why; newest first',
    description:
      'Every fire time of an active job ends as an execution or here. Fire times in a row with one reason are one range, however many they are.',
    answerHeaders: { 200: ['link'] },
    params: z.object({ id: jobRef }),
    querystring: fireLogQuery,
    response: { 200: pageOf(fireRangeView) },
  } as const
  const timeOf = (asked: QueryTime | undefined) => asked && ('at' in asked ? asked.at : clock.now() - asked.agoMs)
  app.get('/jobs/:id/fire-log', { schema, config: { access: 'viewer' } }, async (request, reply) => {
    const { limit, cursor, decision, from, to } = request.query
    const position = cursor === undefined ? null : decodeCursor(cursor, positionShape)
    if (isRefusal(position)) return reply.refuse(position)
    const token = String(request.headers.authorization).slice('Bearer '.length)
    const jobId = await findJob(request.params.id, { userId: request.caller.userId, token })
    if (isRefusal(jobId)) return reply.refuse(jobId)
    const after = position && { from: position[0], decision: position[1] }
    const page = { limit: limit + 1, after, decision, from: timeOf(from), to: timeOf(to) }
    const ranges = await listFireLog(jobId, page)
    return sendPage(reply, ranges, limit, ({ from, decision }) => [from, decision], viewRange)
  })
}
