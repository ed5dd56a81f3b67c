import { refusal } from '@belfry/contracts'
import type { FastifySchema } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Access } from '../../src/index.ts'
import { makeWorld } from '../world.ts'

const worlds: { app: { close(): Promise<void> } }[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.app.close()
})

const thing = z
  .strictObject({ at: z.iso.datetime().describe('When.'), count: z.number().int().describe('How many.') })
  .meta({ id: 'Thing', description: 'A thing.' })

interface Route {
  readonly method?: 'GET' | 'POST' | 'PATCH'
  readonly access?: Access
  readonly url?: string
  readonly schema: FastifySchema
}

/** The document of an app with these routes. */
async function describeRoutes(...routes: Route[]) {
  const world = makeWorld()
  worlds.push(world)
  const { app } = world
  for (const { method = 'GET', access = 'user', url = '/things', schema } of routes) {
    app.route({
      method,
      url,
      schema,
      config: { access },
      handler: (_request, reply) => reply.refuse(refusal('conflict', '')),
    })
  }
  return (await app.inject('/openapi.json')).json()
}

describe('the answers of an operation', () => {
  it('are those of the route, and the refusals that follow from its form and its own list', async () => {
    const { paths, components } = await describeRoutes({
      method: 'POST',
      url: '/things/:id',
      schema: {
        params: z.object({ id: z.string().describe('The id.') }),
        body: thing,
        response: { 201: thing },
        problems: ['conflict'],
        requestHeaders: ['idempotency-key'],
      },
    })
    const { responses, parameters } = paths['/things/{id}'].post
    const statuses = ['201', '400', '401', '403', '404', '409', '413', '415', '422', '429', '500', '503', 'default']
    expect(Object.keys(responses)).toEqual(statuses)
    expect(responses[409]).toEqual({ $ref: '#/components/responses/RequestInFlightOrConflict' })
    const conflict = components.responses.RequestInFlightOrConflict
    expect(conflict.content['application/problem+json'].schema.allOf[1].properties.code.enum).toEqual([
      'request-in-flight',
      'conflict',
    ])
    expect(Object.keys(components.responses.TooManyRequests.headers)).toContain('Retry-After')
    expect(parameters).toContainEqual({ $ref: '#/components/parameters/Idempotency-Key' })
  })

  it('of a public read name no token and no body', async () => {
    const { paths } = await describeRoutes({ access: 'public', schema: { response: { 200: thing } } })
    const { responses, security } = paths['/things'].get
    expect(security).toEqual([])
    expect(Object.keys(responses)).toEqual(['200', '400', '500', '503', 'default'])
    expect(Object.keys(responses[200].headers)).toEqual(['X-Request-Id'])
  })

  it('may be files', async () => {
    const content = { 'text/csv': { schema: z.unknown().meta({ type: 'string' }) } }
    const { paths } = await describeRoutes({ schema: { response: { 200: { description: 'Rows.', content } } } })
    expect(paths['/things'].get.responses[200]).toMatchObject({
      description: 'Rows.',
      content: { 'text/csv': { schema: { type: 'string' } } },
    })
  })
})

describe('a schema with an id', () => {
  it('is one component, however often and wherever it occurs', async () => {
    const { components, paths } = await describeRoutes(
      { schema: { response: { 200: z.strictObject({ data: z.array(thing) }) } } },
      { method: 'POST', schema: { body: thing.nullish(), response: { 200: thing.nullable() } } },
    )
    expect(Object.keys(components.schemas)).toEqual(['Problem', 'Thing', 'ValidationIssue'])
    expect(components.schemas.Thing.properties).toEqual({
      at: { type: 'string', format: 'date-time', description: 'When.' },
      count: { type: 'integer', description: 'How many.' },
    })
    const { requestBody } = paths['/things'].post
    expect(requestBody.required).toBe(false)
    expect(requestBody.content['application/json'].schema).toEqual({ $ref: '#/components/schemas/Thing' })
  })

  it('cannot stand for two things', async () => {
    const other = z.strictObject({}).meta({ id: 'Thing' })
    const failed = await describeRoutes({ schema: { response: { 200: thing, 202: other } } })
    expect(failed).toMatchObject({ code: 'internal' })
  })
})

describe('the parameters of an operation', () => {
  it('have their text, their default and their bounds', async () => {
    const querystring = z.strictObject({
      limit: z.number().int().min(1).max(9).default(5).describe('How many.'),
      fields: z
        .array(z.enum(['a', 'b']))
        .default([])
        .describe('Which.'),
    })
    const { paths } = await describeRoutes({ schema: { querystring } })
    expect(paths['/things'].get.parameters).toEqual([
      {
        name: 'limit',
        in: 'query',
        required: false,
        description: 'How many.',
        schema: { default: 5, type: 'integer', minimum: 1, maximum: 9 },
      },
      {
        name: 'fields',
        in: 'query',
        required: false,
        description: 'Which.',
        style: 'form',
        explode: false,
        schema: { default: [], type: 'array', items: { type: 'string', enum: ['a', 'b'] } },
      },
    ])
  })
})

describe('a route', () => {
  it('says who may call it, and in which types its body comes', async () => {
    const { paths } = await describeRoutes({
      method: 'PATCH',
      access: 'operator',
      schema: {
        description: 'Changes it.',
        consumes: ['application/merge-patch+json', 'application/json'],
        body: thing,
      },
    })
    const { description, requestBody } = paths['/things'].patch
    expect(description).toBe('Changes it.\n\nNeeds the role `operator` or `admin`.')
    expect(Object.keys(requestBody.content)).toEqual(['application/merge-patch+json', 'application/json'])
  })

  it('shows its examples beside the body', async () => {
    const examples = { first: { summary: 'The first', value: { at: '2026-01-01T00:00:00Z', count: 1 } } }
    const { paths } = await describeRoutes({ method: 'POST', schema: { body: thing, examples } })
    expect(paths['/things'].post.requestBody.content['application/json'].examples).toEqual(examples)
  })

  it('between services, or with `hide`, is not in the document', async () => {
    const { paths } = await describeRoutes(
      { access: 'service', url: '/internal/things', schema: {} },
      { url: '/hidden', schema: { hide: true } },
    )
    expect(paths).toEqual({})
  })
})
