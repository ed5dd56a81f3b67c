import { toWireTime } from '@belfry/contracts'
import type { Health } from '@belfry/service'
import { z } from 'zod'
import type { HttpApp } from './http-app.ts'

const readyQuery = z.strictObject({ verbose: z.string().optional() })

/**
 * `/livez`: the loop turns. `/readyz`: the service takes work; `?verbose` lists what it depends on, and the version of the
 * time zone data (`2026c`) that its process computes fire times with.
 */
export function mountProbes(app: HttpApp, health: Health): void {
  const config = { access: 'public' } as const
  app.get('/livez', { schema: { hide: true }, config }, () => ({ status: 'ok' }))
  app.get('/readyz', { schema: { hide: true, querystring: readyQuery }, config }, async (request, reply) => {
    const isVerbose = request.query.verbose !== undefined
    const { ready, checks } = await health.report(isVerbose)
    reply.code(ready ? 200 : 503)
    const shown = checks.map((check) => ({ ...check, since: toWireTime(check.since) }))
    return {
      status: ready ? 'ready' : 'not ready',
      ...(isVerbose ? { checks: shown, timeZoneData: process.versions.tz } : {}),
    }
  })
}
