import type { Metrics } from '@belfry/service'
import type { HttpApp } from './http-app.ts'
import { routeConfigOf } from './route-config.ts'

/** `belfry_http_request_duration_seconds`, by the route's pattern: an address that is no route counts as `none`. */
export function addRequestMetrics(app: HttpApp, metrics: Metrics): void {
  const histogram = metrics.histogram(
    'belfry_http_request_duration_seconds',
    'From the request to the end of its answer',
    ['route', 'method', 'status_class'],
  )
  const series = new Map<string, { observe(value: number): void }>()

  const seriesOf = (method: string, route: string, statusClass: string) => {
    const name = `${method} ${route} ${statusClass}`
    const found = series.get(name) ?? histogram.labels({ route, method, status_class: statusClass })
    series.set(name, found)
    return found
  }

  app.addHook('onResponse', (request, reply, done) => {
    // A stream of events is open for as long as its reader likes, and says nothing about how fast answers are.
    if (String(reply.raw.getHeader('content-type')).startsWith('text/event-stream')) return done()
    const route = routeConfigOf(request).url ?? 'none'
    // The method of an address that is no route is whatever the caller typed.
    const method = request.is404 ? 'any' : request.method
    seriesOf(method, route, `${Math.floor(reply.statusCode / 100)}xx`).observe(reply.elapsedTime / 1000)
    done()
  })
}
