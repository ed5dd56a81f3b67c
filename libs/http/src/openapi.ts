import { problem } from '@belfry/contracts'
import swagger from '@fastify/swagger'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import type { HttpApp } from './http-app.ts'
import { emptyBody, noQuery } from './routes.ts'

/** What every route may answer instead: a problem (RFC 9457). */
const anyProblem = {
  description: 'A problem',
  content: { 'application/problem+json': { schema: problem } },
}

type Transform = typeof jsonSchemaTransform

/** The public routes only, with their token, and without the schemas that merely keep a route closed. */
const transform: Transform = (document) => {
  const access = document.route.config?.access
  const { body, querystring, response, ...rest } = (document.schema ?? {}) as Record<string, unknown>
  const schema = {
    ...rest,
    ...(body === undefined || body === emptyBody ? {} : { body }),
    ...(querystring === undefined || querystring === noQuery ? {} : { querystring }),
    ...(access === 'public' ? {} : { security: [{ token: [] }] }),
    response: { ...(response as object | undefined), default: anyProblem },
    ...(access === 'service' ? { hide: true } : {}),
  }
  return jsonSchemaTransform({ ...document, schema } as never)
}

/** `/openapi.json`: OpenAPI 3.1, made from the schemas that validate. */
export function describeApp(app: HttpApp, service: string): void {
  const options = {
    openapi: {
      openapi: '3.1.0',
      info: { title: `Belfry: ${service}`, version: '0.1.0' },
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      },
    },
    transform,
  } as const
  // Called, not registered: it has to see the routes that are added in this turn, before plugins are loaded.
  swagger(app as never, { ...options } as never, () => undefined)
  const route = { schema: { hide: true }, config: { access: 'public' } } as const
  app.get('/openapi.json', route, () => app.swagger())
}
