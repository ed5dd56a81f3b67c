import { type JobType, jobType, pageOf, refusal } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import { nearestName } from '@belfry/service'
import { z } from 'zod'

const typeList = z.strictObject({ data: z.array(jobType) })

/** The job types of this executor, for users and for job-service. */
export function mountJobTypes(app: HttpApp, types: readonly JobType[]): void {
  const tags = ['job types']
  const list = {
    schema: { tags, summary: 'What jobs can do', response: { 200: pageOf(jobType) } },
    config: { access: 'viewer' },
  } as const
  app.get('/job-types', list, () => ({ data: [...types], page: { nextCursor: null, hasMore: false } }))

  const summary = 'A job type: its params, their defaults, examples'
  const one = {
    tags,
    summary,
    params: z.strictObject({ type: z.string().min(1).max(100) }),
    response: { 200: jobType },
  }
  app.get('/job-types/:type', { schema: one, config: { access: 'viewer' } }, async (request, reply) => {
    const { type } = request.params
    const found = types.find((known) => known.type === type)
    if (found) return found
    const names = types.map((known) => known.type)
    const nearest = nearestName(type, names)
    return reply.refuse(refusal('not-found', `There is no such job type${nearest ? `; did you mean ${nearest}?` : ''}`))
  })

  const internal = { schema: { response: { 200: typeList } }, config: { access: 'service' } } as const
  app.get('/internal/job-types', internal, () => ({ data: [...types] }))
}
