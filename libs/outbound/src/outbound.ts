import { AsyncLocalStorage } from 'node:async_hooks'
import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import { isPublicAddress } from './addresses.ts'
import { createLookups, type LookupLimits, type Resolve, type Resolved } from './lookups.ts'

export interface OutboundConfig {
  /** Whether calls may reach loopback, private and other addresses that are not public. */
  allowPrivate: boolean
  /** Most connections to one origin at a time. */
  connections: number
  /** How long opening one connection may take, milliseconds. */
  connectTimeoutMs: number
  /** How long an unused connection is kept when the server does not say, milliseconds. */
  keepAliveMs: number
  lookups: LookupLimits
}

/** The system's resolver: it reads the hosts file too, as people expect of `localhost` and of names in a container. */
const resolveBySystem: Resolve = (hostname) =>
  new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)))
  })

/** The address may not be called. It stays so: a repetition fails alike. */
export class AddressBlocked extends Error {
  readonly code = 'address-blocked'

  constructor(host: string) {
    super(`"${host}" leads to an address that is not public, and only public addresses may be called.`)
    this.name = 'AddressBlocked'
  }
}

/** One bad answer among good ones refuses the name: that is how a name that changes its mind begins. */
function check(hostname: string, addresses: Resolved[], allowPrivate: boolean): Resolved[] {
  if (allowPrivate || addresses.every(({ address }) => isPublicAddress(address))) return addresses
  throw new AddressBlocked(hostname)
}

/**
 * The lookup of a connection: it connects to an address that was in the checked answer and to no other, so a name
 * cannot change between check and use.
 */
export function createCheckedLookup(allowPrivate: boolean, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname)
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

/** What every call to an address of a user goes through. */
export interface Outbound {
  /** A call for this owner. The connection rejects with `AddressBlocked` where the address is not public. */
  request(ownerId: string, options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>
  /** Ends all connections; calls still going then fail. */
  close(): Promise<void>
}

/**
 * Addresses are checked at connect time: those that stand in the URL here, those behind a name in the lookup. Redirects
 * are not followed, TLS is verified, and the environment's proxy settings and `NODE_TLS_REJECT_UNAUTHORIZED` change nothing.
 */
export function createOutbound(config: OutboundConfig, resolve: Resolve = resolveBySystem): Outbound {
  const lookup = createLookups(resolve, config.lookups)
  // A connector does not know for which call it connects. undici calls it within the call that needs the connection; where
  // one is opened again for a call that waits, the lookup counts for the owner whose call has ended.
  const owners = new AsyncLocalStorage<string>()
  const connect = buildConnector({
    lookup: createCheckedLookup(config.allowPrivate, (hostname) => lookup(owners.getStore() ?? '', hostname)),
    timeout: config.connectTimeoutMs,
    rejectUnauthorized: true,
  })
  const agent = new Agent({
    connections: config.connections,
    keepAliveTimeout: config.keepAliveMs,
    // One deadline over the whole call is the caller's; these would only be less exact.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (options, callback) => {
      const literal = isIP(options.hostname) !== 0
      if (!literal || config.allowPrivate || isPublicAddress(options.hostname)) return connect(options, callback)
      // A connector answers later, never while undici is still asking.
      queueMicrotask(() => callback(new AddressBlocked(options.hostname), null))
    },
  })
  return {
    request: (ownerId, options) => owners.run(ownerId, () => agent.request(options)),
    close: () => agent.destroy(),
  }
}
