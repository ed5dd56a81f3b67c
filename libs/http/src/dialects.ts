/** A second address of every route (docs/guide/http-conventions.md). */
export interface Dialect {
  /** What stands before the canonical address. */
  readonly prefix: string
  /** Whether answers are wrapped in `{success, message, data}`. */
  readonly isEnveloped: boolean
}

/** The longest prefix first: `/api/v1` is not `/api` before a route `/v1`. */
export const dialects: readonly Dialect[] = [
  { prefix: '/api/v1', isEnveloped: true },
  { prefix: '/v1', isEnveloped: false },
  { prefix: '/api', isEnveloped: false },
]

/** The dialect of an address or of a route's pattern; undefined for a canonical one. */
export function dialectOf(url: string): Dialect | undefined {
  return dialects.find(({ prefix }) => url.startsWith(prefix) && url[prefix.length] === '/')
}

/** The address without its dialect. */
export function canonicalOf(url: string): string {
  return url.slice(dialectOf(url)?.prefix.length ?? 0)
}

/** The patterns and the same in each dialect. */
export function inAllDialects(routes: readonly string[]): string[] {
  return routes.flatMap((route) => [route, ...dialects.map(({ prefix }) => prefix + route)])
}
