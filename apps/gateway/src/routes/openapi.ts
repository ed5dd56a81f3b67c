import type { ServiceName } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'
import type { HttpApp } from '@belfry/http'
import type { Clock, Logger } from '@belfry/service'
import { type HeldPage, holdPage, sendHeld } from '../compression/held-pages.ts'
import { type ApiDocument, type DescribedService, mergeDocuments } from '../openapi/api-document.ts'
import { apiTexts } from '../openapi/api-texts.ts'
import { readJobTypeExamples, withExamples } from '../openapi/job-type-examples.ts'
import { proxiedServices, routeTable } from '../proxy/route-table.ts'

/** How long a description is served for which a service could not be asked, milliseconds. */
const incompleteCacheMs = 2_000

const proxied = routeTable.flatMap(({ routes }) => routes.map((route) => route.replace(/\/?\*$/, '')))
const prefixes = [...proxied, '/system']

function isRouted(path: string): boolean {
  return prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`))
}

/** The operation whose body has the params of a job type. */
const createJob = { path: '/jobs', method: 'post' }

export interface OpenapiOptions {
  rest: RestClient
  clock: Clock
  log: Logger
  cacheMs: number
  /** From which length on the document is compressed, bytes. */
  minBytes: number
}

/**
 * `/openapi.json`: one document over all services, each asked for its own. Concurrent readers share one request. A service
 * that cannot be asked is shown as it last described itself. The examples of job types are those of the executors.
 */
export function mountOpenapi(app: HttpApp, { rest, clock, log, cacheMs, minBytes }: OpenapiOptions): void {
  let cached: { page: HeldPage; until: number } | undefined
  let merging: Promise<HeldPage> | undefined
  let examples: Readonly<Record<string, unknown>> = {}
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

  /** What job types have for params; the last good ones while no executor answers, which `describe` reports. */
  const readExamples = async (): Promise<void> => {
    const call = { service: 'executor-service', method: 'GET', path: '/internal/job-types' } as const
    const answer = await rest.request(call).catch(() => undefined)
    if (answer?.status === 200) examples = readJobTypeExamples(answer.body)
  }

  const merge = async (): Promise<HeldPage> => {
    const [answered] = await Promise.all([Promise.all(proxiedServices.map(describe)), readExamples()])
    const isWhole = answered.every((one) => one !== undefined)
    const known = answered.map((one, at) => one ?? lastGood.get(proxiedServices[at] as ServiceName))
    const found = known.filter((one) => one !== undefined)
    const own = { tag: 'system', document: (await app.describeApi()) as ApiDocument }
    const document = mergeDocuments(apiTexts, [...found, own], isRouted)
    const made = holdPage(
      JSON.stringify(withExamples(document, createJob, examples)),
      'application/json; charset=utf-8',
    )
    // The same bytes are compressed already.
    const page = cached?.page.etag === made.etag ? cached.page : made
    cached = { page, until: clock.monotonic() + (isWhole ? cacheMs : Math.min(cacheMs, incompleteCacheMs)) }
    return page
  }

  const current = (): Promise<HeldPage> => {
    if (cached && clock.monotonic() < cached.until) return Promise.resolve(cached.page)
    merging ??= merge().finally(() => {
      merging = undefined
    })
    return merging
  }

  app.get('/openapi.json', { schema: { hide: true }, config: { access: 'public' } }, async (request, reply) =>
    sendHeld(request, reply, await current(), minBytes),
  )
}
