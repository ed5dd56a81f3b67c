import { once } from 'node:events'
import { createServer } from 'node:net'

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
 * The wanted port, or the next free one after it: somebody who tries Belfry out should not have to learn about ports
 * first. 0 stays 0. Rejects when none of `tries` is free, or when the address cannot be listened on at all.
 */
export async function findPort(host: string, wanted: number, tries = 20): Promise<number> {
  if (wanted === 0) return 0
  for (let port = wanted; port < Math.min(wanted + tries, 65_536); port++) {
    if (await isFree(host, port)) return port
  }
  throw new Error(`no port from ${wanted} to ${wanted + tries - 1} on ${host} is free: set BELFRY_PORT to another one`)
}
