/** Where Consul answers, and the prefix of the names of the services. */
export interface ConsulAddress {
  readonly host: string
  readonly port: number
  readonly prefix: string
}

const usualPort = 8500
const usualPrefix = 'belfry'
/** What a Consul service name may be made of (a DNS label), with room for the longest name of a service. */
const prefixPattern = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/

/** Reads `consul://host:port[/prefix]`. Throws a `TypeError` when it is not of that form. */
export function readConsulUrl(text: string): ConsulAddress {
  const url = URL.parse(text)
  const prefix = url?.pathname.replace(/^\/|\/$/g, '') || usualPrefix
  if (url === null || url.protocol !== 'consul:' || url.hostname === '' || !prefixPattern.test(prefix)) {
    throw new TypeError('The address of Consul is not consul://host:port or consul://host:port/prefix')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError('The address of Consul holds more than host, port and prefix')
  }
  return { host: url.hostname, port: Number(url.port) || usualPort, prefix }
}
