import { type JobType, jobType, pageOf, refusal } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import { nearestName } from '@belfry/service'
import type { UnusableFile } from '@belfry/worker'
import { z } from 'zod'

/** What the handlers of this executor are at a moment. */
export interface JobTypesView {
  readonly types: readonly JobType[]
  readonly unusable: readonly UnusableFile[]
}

const unusableFile = z.strictObject({ file: z.string(), error: z.string() })
const listView = pageOf(jobType).extend({
  unusable: z.array(unusableFile).describe('Files of the handlers folder that are no job types, and why.'),
})
const typeList = z.strictObject({ data: z.array(jobType) })

/** The job types of this executor, for users and for job-service. */
export function mountJobTypes(app: HttpApp, read: () => JobTypesView): void {
  const tags = ['job types']
  const list = {
    schema: { tags, summary: 'What jobs can do', response: { 200: listView } },
    config: { access: 'viewer' },
  } as const
  app.get('/job-types', list, () => {
    const { types, unusable } = read()
    return { data: [...types], page: { nextCursor: null, hasMore: false }, unusable: [...unusable] }
  })

  const summary = 'A job type: its params, their defaults, examples'
  const one = {
    tags,
    summary,
    params: z.strictObject({ type: z.string().min(1).max(100) }),
    response: { 200: jobType },
  }
  app.get('/job-types/:type', { schema: one, config: { access: 'viewer' } }, async (request, reply) => {
    const { type } = request.params
    const { types } = read()
    const found = types.find((known) => known.type === type)
    if (found) return found
    const names = types.map((known) => known.type)
    const nearest = nearestName(type, names)
    return reply.refuse(refusal('not-found', `There is no such job type${nearest ? `; did you mean ${nearest}?` : ''}`))
  })

  const internal = { schema: { response: { 200: typeList } }, config: { access: 'service' } } as const
  app.get('/internal/job-types', internal, () => ({ data: [...read().types] }))
}
