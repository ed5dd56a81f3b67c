import type { AddressInfo } from 'node:net'
import { type Refusal, refusal } from '@belfry/contracts'
import type { FastifyRequest } from 'fastify'
import type { HttpApp } from './http-app.ts'
import { sendRefusal } from './problem.ts'

const loopbackAddress = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|::ffff:127\.\d{1,3}\.\d{1,3}\.\d{1,3})$/

/** Whether only programs of this machine reach what listens on `host`. A name other than `localhost` is taken for no. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase()
  return name === 'localhost' || loopbackAddress.test(name)
}

/** The names in a `Host` header that mean this machine, as a browser writes them. */
const loopbackNames = ['localhost', '127.0.0.1', '[::1]']

/** `Host` (RFC 9110, 7.2) in lower case: a name or an address, and a port. */
const hostPattern = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/

const readingMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

const noHost = refusal('malformed-request', 'The request has no Host header.')
const twoHosts = refusal('malformed-request', 'The request has more than one Host header.')
const wrongHost = refusal(
  'misdirected-request',
  'Belfry listens on this machine only and answers to localhost, 127.0.0.1 and [::1]: set BELFRY_PUBLIC_URL to use another name.',
)
const foreignOrigin = refusal(
  'foreign-origin',
  'A page of another origin must not change anything here: set BELFRY_PUBLIC_URL if the page is served by this Belfry, or BELFRY_GATEWAY_CORS_ORIGINS if it may call it.',
)

function hasTwoHosts({ rawHeaders }: FastifyRequest['raw']): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1
}

/** The host that an app bound to `address` is called by; a wildcard or an address of the network has no such rule. */
function boundName({ address, family }: AddressInfo): string | undefined {
  if (!isLoopbackHost(address)) return undefined
  return family === 'IPv6' ? `[${address}]` : address
}

/**
 * Refuses what a page of another site sends through a visitor's browser. A page whose name was made to resolve to
 * 127.0.0.1 (DNS rebinding) gives itself away by `Host`, which is checked as long as the app listens on loopback; a page
 * that calls the address itself by `Origin`, which is checked on every method that changes something. Pages of `allowedOrigins` may.
 */
export function guardHosts(app: HttpApp, publicUrl: string | null, allowedOrigins: readonly string[] = []): void {
  const ownUrl = publicUrl === null ? null : new URL(publicUrl)
  const hosts = new Set([...loopbackNames, ...(ownUrl ? [ownUrl.hostname] : [])])
  // Until it listens only `inject` reaches it.
  let isBoundToLoopback = true

  app.addHook('onListen', (done) => {
    const name = boundName(app.server.address() as AddressInfo)
    isBoundToLoopback = name !== undefined
    if (name !== undefined) hosts.add(name)
    done()
  })

  const check = ({ method, headers, raw }: FastifyRequest): Refusal | undefined => {
    const host = (headers.host ?? '').toLowerCase()
    if (headers.host === undefined && raw.httpVersion !== '1.0') return noHost
    if (hasTwoHosts(raw)) return twoHosts
    if (isBoundToLoopback && !hosts.has(hostPattern.exec(host)?.[1] ?? '')) return wrongHost
    const origin = headers.origin?.toLowerCase()
    if (origin === undefined || readingMethods.has(method)) return undefined
    if (allowedOrigins.includes(origin)) return undefined
    const isOwn = origin === `http://${host}` || origin === `https://${host}` || origin === ownUrl?.origin
    return isOwn ? undefined : foreignOrigin
  }

  app.addHook('onRequest', (request, reply, done) => {
    const refused = check(request)
    if (refused) sendRefusal(reply, refused)
    else done()
  })
}
