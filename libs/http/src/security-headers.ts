import type { Access } from './access.ts'

type Headers = Readonly<Record<string, string>>

/** A year, the shortest that browsers' own lists take. */
const strictTransport = 'max-age=31536000'

/**
 * The headers of every answer (docs/guide/http-conventions.md), by the access rule of its route: what a token was needed
 * for is stored by no cache. A route that serves a page sets its own policy. `publicUrl`: with https browsers stay with it.
 */
export function createSecurityHeaders(publicUrl: string | null): (access: Access | undefined) => Headers {
  const always: Headers = {
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    ...(publicUrl?.startsWith('https:') && { 'strict-transport-security': strictTransport }),
  }
  const withToken: Headers = { ...always, 'cache-control': 'no-store' }
  return (access) => (access === undefined || access === 'public' ? always : withToken)
}
