import { networkInterfaces } from 'node:os'

const wildcards = new Set(['0.0.0.0', '::', '[::]'])

/** Whether an address can be used from elsewhere without naming an interface. */
const isLinkLocal = (address: string) => address.startsWith('fe80:') || address.startsWith('169.254.')

/**
 * The address that a service advertises when none is configured: the one it listens on, and for a wildcard the machine's
 * first address that is neither loopback nor link-local, IPv4 before IPv6. A machine without one is reached by loopback.
 */
export function defaultAdvertiseHost(listenHost: string, interfaces = networkInterfaces()): string {
  if (!wildcards.has(listenHost)) return listenHost
  const addresses = Object.values(interfaces).flatMap((of) => of ?? [])
  const usable = addresses.filter(({ internal, address }) => !internal && !isLinkLocal(address))
  const first = usable.find(({ family }) => family === 'IPv4') ?? usable[0]
  return first?.address ?? '127.0.0.1'
}
