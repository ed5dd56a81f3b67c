import type { ServiceName } from '@belfry/contracts'
import type { Instance } from '../port.ts'

/** One instance as Consul lists it. */
export interface Entry {
  readonly instance: Instance
  readonly isPassing: boolean
  readonly signature: unknown
}

/** A name, an IPv4 or an IPv6 address: nothing that has a meaning in a URL. */
const hostPattern = /^(?:[a-z0-9](?:[a-z0-9._-]{0,252}[a-z0-9])?|[0-9a-f:]{2,39}(?:%[a-z0-9]+)?)$/i
const longestId = 300

interface RawEntry {
  Service?: { ID?: unknown; Address?: unknown; Port?: unknown; Meta?: { signature?: unknown } | null }
  Checks?: unknown
}

function isPassing(checks: unknown): boolean {
  return Array.isArray(checks) && checks.every((one) => (one as { Status?: unknown } | null)?.Status === 'passing')
}

/** Reads one element of Consul's answer; undefined when it is no instance. Anything may stand in it. */
export function readEntry(service: ServiceName, raw: unknown): Entry | undefined {
  const { Service: found, Checks: checks } = (raw ?? {}) as RawEntry
  if (typeof found !== 'object' || found === null) return undefined
  const { ID: id, Address: host, Port: port, Meta: meta } = found
  if (typeof id !== 'string' || id === '' || id.length > longestId) return undefined
  if (typeof host !== 'string' || !hostPattern.test(host)) return undefined
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  return { instance: { service, id, host, port }, isPassing: isPassing(checks), signature: meta?.signature }
}
