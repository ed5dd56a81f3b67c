import { once } from 'node:events'
import { createServer } from 'node:net'

/** Every port of the range is in use. Its message is written for people. */
export class NoFreePort extends Error {}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer()
  const listening = once(server, 'listening')
  server.listen(port, host)
  try {
    await listening
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
  server.close()
  await once(server, 'close')
  return true
}

/**
 * The wanted port, or the next free one after it: a newcomer should not have to learn about ports
 * first. 0 stays 0. Rejects with a `NoFreePort` when none of `tries` is free, or with Node's error when the address cannot
 * be listened on.
 */
export async function findPort(host: string, wanted: number, tries = 20): Promise<number> {
  if (wanted === 0) return 0
  const last = Math.min(wanted + tries - 1, 65_535)
  for (let port = wanted; port <= last; port++) {
    if (await isFree(host, port)) return port
  }
  throw new NoFreePort(`No port from ${wanted} to ${last} on ${host} is free: set BELFRY_PORT to another one.`)
}

const listenReasons: Record<string, string> = {
  EADDRINUSE: 'another program has this port',
  EACCES: 'this user may not take this port',
  EPERM: 'this user may not take this port',
  EADDRNOTAVAIL: 'this machine does not have this address',
  ENOTFOUND: 'this name has no address',
  EAI_AGAIN: 'this name cannot be looked up',
}

/** An error of listening, as a sentence for people; undefined when it is another error. */
export function listenErrorText(error: Error): string | undefined {
  const { code = '', address, hostname, port } = error as NodeJS.ErrnoException & Record<string, string | undefined>
  const reason = listenReasons[code]
  const where = address ?? hostname
  if (reason === undefined || where === undefined) return undefined
  const target = port === undefined ? where : `${where}, port ${port}`
  return `Belfry cannot listen on ${target}: ${reason}. See BELFRY_HOST, BELFRY_PORT and those of the services.`
}
