import type { ServiceName } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'
import type { HttpApp } from '@belfry/http'
import type { Clock, Logger } from '@belfry/service'
import { type ApiDocument, type DescribedService, mergeDocuments } from '../openapi/api-document.ts'
import { proxiedServices, routeTable } from '../proxy/route-table.ts'
import { systemDocument } from './system.ts'

const info = {
  title: 'Belfry',
  version: '0.1.0',
  description:
    'Describe a job and when it should run, and Belfry runs it on its millisecond, once. Sign up, log in, send the token as "Authorization: Bearer …".',
}

/** How long a description is served for which a service could not be asked, milliseconds. */
const incompleteCacheMs = 2_000

const proxied = routeTable.flatMap(({ routes }) => routes.map((route) => route.replace(/\/?\*$/, '')))
const prefixes = [...proxied, '/system']

function isRouted(path: string): boolean {
  return prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`))
}

export interface OpenapiOptions {
  rest: RestClient
  clock: Clock
  log: Logger
  cacheMs: number
}

/**
 * `/openapi.json`: one document over all services, each asked for its own. Concurrent readers share one request. A service
 * that cannot be asked is shown as it last described itself.
 */
export function mountOpenapi(app: HttpApp, { rest, clock, log, cacheMs }: OpenapiOptions): void {
  let cached: { text: Buffer; until: number } | undefined
  let merging: Promise<Buffer> | undefined
  const lastGood = new Map<ServiceName, DescribedService>()

  const describe = async (service: (typeof proxiedServices)[number]): Promise<DescribedService | undefined> => {
    try {
      const { status, body } = await rest.request({ service, method: 'GET', path: '/openapi.json' })
      if (status === 200) {
        const described = { tag: service, document: body as ApiDocument }
        lastGood.set(service, described)
        return described
      }
      log.warn({ service, status }, 'a service does not describe its API')
    } catch (err) {
      log.warn({ service, err }, 'a service cannot be asked for its API')
    }
    return undefined
  }

  const merge = async (): Promise<Buffer> => {
    const answered = await Promise.all(proxiedServices.map(describe))
    const isWhole = answered.every((one) => one !== undefined)
    const known = answered.map((one, at) => one ?? lastGood.get(proxiedServices[at] as ServiceName))
    const found = known.filter((one) => one !== undefined)
    const document = mergeDocuments(info, [...found, { tag: 'system', document: systemDocument }], isRouted)
    // One sequence of bytes for all readers: a text would be encoded for each of them.
    const text = Buffer.from(JSON.stringify(document))
    cached = { text, until: clock.monotonic() + (isWhole ? cacheMs : Math.min(cacheMs, incompleteCacheMs)) }
    return text
  }

  const current = (): Promise<Buffer> => {
    if (cached && clock.monotonic() < cached.until) return Promise.resolve(cached.text)
    merging ??= merge().finally(() => {
      merging = undefined
    })
    return merging
  }

  app.get('/openapi.json', { schema: { hide: true }, config: { access: 'public' } }, async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(await current()),
  )
}
