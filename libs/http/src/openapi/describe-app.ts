import { setImmediate } from 'node:timers/promises'
import type { RouteOptions } from 'fastify'
import type { HttpApp } from '../http-app.ts'
import { createRefusalComponents } from './answers.ts'
import { answerHeaders, requestHeaders } from './header-texts.ts'
import { operationOf, pathOf } from './operation.ts'
import { createSchemaComponents } from './schema-components.ts'

const securitySchemes = {
  token: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description:
      'The `accessToken` of `POST /auth/login`, or an API key (`POST /auth/api-keys`), sent as `Authorization: Bearer …`.',
  },
}

/** A table under the names of the headers, which the entries then need not repeat. */
function byName<T extends { name: string }>(table: Readonly<Record<string, T>>) {
  return Object.values(table)
}

const headers = Object.fromEntries(byName(answerHeaders).map(({ name, ...header }) => [name, header]))
const parameters = Object.fromEntries(byName(requestHeaders).map((header) => [header.name, header]))

function methodsOf({ method }: RouteOptions): string[] {
  const methods = Array.isArray(method) ? method : [method]
  // Every GET answers HEAD too.
  return methods.filter((one) => one !== 'HEAD')
}

function isShown({ schema, config }: RouteOptions): boolean {
  return schema !== undefined && schema.hide !== true && config?.access !== 'service'
}

/**
 * The document of an app's routes. Without the texts of a route its operation is incomplete; a test of the whole document finds
 * it. Each route takes a turn of the event loop: together they would hold up requests for tens of milliseconds.
 */
async function documentOf(service: string, routes: readonly RouteOptions[]): Promise<object> {
  const schemas = createSchemaComponents()
  const refusals = createRefusalComponents(schemas)
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = pathOf(route.url)
    for (const method of methodsOf(route)) {
      const operation = operationOf(route, method, { schemas, refusals })
      paths[path] = { ...paths[path], [method.toLowerCase()]: operation }
    }
    await setImmediate()
  }
  return {
    openapi: '3.1.0',
    info: { title: `Belfry: ${service}`, version: '0.1.0' },
    paths,
    components: { schemas: schemas.all(), responses: refusals.all(), headers, parameters, securitySchemes },
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * OpenAPI 3.1 of the app's routes, made from the schemas that validate, without the routes between services and those with
     * `hide`. Rejects when two schemas have one id.
     */
    describeApi(): Promise<object>
  }
}

/** Describes the routes that are added from now on. The document is made when it is asked for first. */
export function describeApp(app: HttpApp, service: string): void {
  const routes: RouteOptions[] = []
  let made: Promise<object> | undefined
  app.addHook('onRoute', (route) => {
    routes.push(route)
  })
  app.decorate('describeApi', () => {
    // Looked at late: a hook of another part may hide a route after this one has seen it.
    made ??= documentOf(service, routes.filter(isShown))
    return made
  })
}

/** `/openapi.json`. */
export function mountDescription(app: HttpApp): void {
  const route = { schema: { hide: true }, config: { access: 'public' } } as const
  app.get('/openapi.json', route, () => app.describeApi())
}
