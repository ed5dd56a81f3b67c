import type { IncomingMessage } from 'node:http'

/** The address that the last reverse proxy of a chain added; undefined when there is none. */
function lastForwarded(forwardedFor: string | undefined): string | undefined {
  return forwardedFor?.split(',').at(-1)?.trim() || undefined
}

/** Longest address that is read, characters: an IPv6 address with its zone. */
const longestAddress = 64

/**
 * The address of the client that sent a request, as far as the network shows it. `trustProxy`: every connection comes through a
 * reverse proxy that adds the client's address to `X-Forwarded-For`.
 */
export function addressOfRequest(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  trustProxy: boolean,
): string {
  const forwarded = trustProxy ? lastForwarded(headers['x-forwarded-for']?.toString()) : undefined
  return (forwarded ?? socket.remoteAddress ?? '').slice(0, longestAddress)
}

const mappedV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/**
 * The key under which an address is counted. One subscriber holds a whole /64 of IPv6 (RFC 6177), so the first four
 * groups count; an IPv4 address that a dual-stack socket shows as IPv6 counts as IPv4.
 */
export function addressKey(address: string): string {
  const v4 = mappedV4.exec(address)?.[1]
  if (v4 !== undefined || !address.includes(':')) return v4 ?? address
  const [head = '', tail] = (address.split('%', 1)[0] as string).split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':')
    groups.push(...Array<string>(Math.max(0, 8 - groups.length - last.length)).fill('0'), ...last)
  }
  return groups.slice(0, 4).join(':').toLowerCase()
}
