import { once } from 'node:events'
import { createServer } from 'node:net'
import { StartError } from '@belfry/bootstrap'

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
 * first. 0 stays 0. Rejects with a `StartError` when none of `tries` is free, or with Node's error when the address cannot
 * be listened on.
 */
export async function findPort(host: string, wanted: number, tries = 20): Promise<number> {
  if (wanted === 0) return 0
  const last = Math.min(wanted + tries - 1, 65_535)
  for (let port = wanted; port <= last; port++) {
    if (await isFree(host, port)) return port
  }
  throw new StartError(`No port from ${wanted} to ${last} on ${host} is free: set BELFRY_PORT to another one.`)
}
