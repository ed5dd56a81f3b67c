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

const unusableFile = z
  .strictObject({
    file: z.string().describe('The name of the file.'),
    error: z.string().describe('Why it is not used.'),
  })
  .meta({ id: 'UnusableFile', description: 'A file of the handlers folder that is no job type.' })
const listView = pageOf(jobType)
  .extend({ unusable: z.array(unusableFile).describe('Files of the handlers folder that are no job types, and why.') })
  .meta({ id: 'JobTypeList', description: 'Every job type of this Belfry.' })
const typeName = z.string().min(1).max(100).describe('The name of the job type.')
const typeParams = z.strictObject({ type: typeName.meta({ examples: ['HTTP_CALL'] }) })
const typeList = z.strictObject({ data: z.array(jobType) })

/** The job types of this executor, for users and for job-service. */
export function mountJobTypes(app: HttpApp, read: () => JobTypesView): void {
  const tags = ['job types']
  const list = {
    schema: {
      operationId: 'listJobTypes',
      tags,
      summary: 'What jobs can do',
      description:
        'Every job type that this Belfry has: those that ship, and those of the handlers folder. One page has all.',
      response: { 200: listView },
    },
    config: { access: 'viewer' },
  } as const
  app.get('/job-types', list, () => {
    const { types, unusable } = read()
    return { data: [...types], page: { nextCursor: null, hasMore: false }, unusable: [...unusable] }
  })

  const one = {
    operationId: 'getJobType',
    tags,
    summary: 'A job type: its params, their defaults, examples',
    description:
      'The JSON Schema of params and result, with examples that work. An unknown name is answered with the nearest known one.',
    params: typeParams,
    response: { 200: jobType },
  }
  app.get('/job-types/:type', { schema: one, config: { access: 'viewer' } }, async (request, reply) => {
    const { type } = request.params
    const { types } = read()
    const found = types.find((known) => known.type === type)
    if (found) return found
    const names = types.map((known) => known.type)
    const suggestion = nearestName(type, names)
    const issue = { pointer: ':type', code: 'unknown-job-type', detail: `known are ${names.sort().join(', ')}` }
    const meant = suggestion ? `; did you mean ${suggestion}?` : ''
    const errors = [{ ...issue, ...(suggestion && { suggestion }) }]
    return reply.refuse(refusal('not-found', `There is no such job type${meant}`, { errors }))
  })

  const internal = { schema: { response: { 200: typeList } }, config: { access: 'service' } } as const
  app.get('/internal/job-types', internal, () => ({ data: [...read().types] }))
}
