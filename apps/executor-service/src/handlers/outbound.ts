import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector } from 'undici'
import { isPublicAddress } from './addresses.ts'
import { fatal } from './handler.ts'

export interface OutboundConfig {
  /** Whether calls may reach loopback, private and other addresses that are not public. */
  allowPrivate: boolean
  /** Most connections to one origin at a time. */
  connections: number
  /** How long opening one connection may take, milliseconds. */
  connectTimeoutMs: number
  /** How long an unused connection is kept when the server does not say, milliseconds. */
  keepAliveMs: number
}

interface Resolved {
  address: string
  family: number
}

/** All addresses of a name, in the order in which they are to be tried. */
export type Resolve = (hostname: string) => Promise<Resolved[]>

/** The system's resolver: it reads the hosts file too, as people expect of `localhost` and of names in a container. */
const resolveBySystem: Resolve = (hostname) =>
  new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)))
  })

function addressBlocked(host: string) {
  const message =
    `"${host}" leads to an address that is not public, and jobs may call public addresses only. ` +
    'Start Belfry with BELFRY_EXECUTOR_ALLOW_PRIVATE=true to allow private addresses.'
  return fatal('address-blocked', message)
}

/** One bad answer among good ones refuses the name: that is how a name that changes its mind begins. */
function check(hostname: string, addresses: Resolved[], allowPrivate: boolean): Resolved[] {
  if (allowPrivate || addresses.every(({ address }) => isPublicAddress(address))) return addresses
  throw addressBlocked(hostname)
}

/**
 * The lookup of a connection: it connects to an address that was in the checked answer and to no other, so a name
 * cannot change between check and use. Calls that open connections to one name at the same moment share one query,
 * because the system's resolver answers only two at a time.
 */
export function createCheckedLookup(allowPrivate: boolean, resolve: Resolve): LookupFunction {
  const underWay = new Map<string, Promise<Resolved[]>>()
  const resolveOnce = (hostname: string) => {
    const known = underWay.get(hostname)
    if (known) return known
    const query = resolve(hostname).finally(() => underWay.delete(hostname))
    underWay.set(hostname, query)
    return query
  }
  return (hostname, options, callback) => {
    resolveOnce(hostname)
      .then((addresses) => check(hostname, addresses, allowPrivate))
      .then(
        (addresses) => {
          if (options.all) return callback(null, addresses)
          const [first] = addresses
          callback(null, first?.address ?? '', first?.family)
        },
        (error) => callback(error, []),
      )
  }
}

/**
 * What every call of a job goes through. Addresses are checked at connect time: those that stand in the URL here, those
 * behind a name in the lookup. Redirects are not followed, TLS is verified, and the environment's proxy settings and
 * `NODE_TLS_REJECT_UNAUTHORIZED` change nothing.
 */
export function createOutboundAgent(config: OutboundConfig, resolve: Resolve = resolveBySystem): Agent {
  const connect = buildConnector({
    lookup: createCheckedLookup(config.allowPrivate, resolve),
    timeout: config.connectTimeoutMs,
    rejectUnauthorized: true,
  })
  return new Agent({
    connections: config.connections,
    keepAliveTimeout: config.keepAliveMs,
    // One deadline over the whole call is the caller's; these would only be less exact.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (options, callback) => {
      const literal = isIP(options.hostname) !== 0
      if (!literal || config.allowPrivate || isPublicAddress(options.hostname)) return connect(options, callback)
      // A connector answers later, never while undici is still asking.
      queueMicrotask(() => callback(addressBlocked(options.hostname), null))
    },
  })
}
