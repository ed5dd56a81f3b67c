import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { type Fleet, fleetPeers, startFleet } from '../../proof/fleet.ts'

/** Two of what shares its work by instances. The flows count on the slots of one executor. */
const instances = { 'job-service': 2, 'scheduler-service': 2 }

/** Makes the first admin of the flows' own Belfry, which ends with them. */
export const bootstrapToken = 'fLOw-5mX0vQ3kT8rZ1nC7yB4hJ9pW2dG6sA'

/** The flows check what happens, not how fast: on a busy machine a call may take seconds. */
export const patience = {
  BELFRY_LOG_LEVEL: 'warn',
  BELFRY_BREAKER_TIMEOUT_MS: '20000',
  BELFRY_JOB_FENCE_TIMEOUT_MS: '15000',
  BELFRY_GATEWAY_READY_TIMEOUT_MS: '5000',
}

/**
 * Serves the address of the separate processes that all flows of the project run against. They start when the first flow
 * asks for it, since other projects run before, and end after the last one.
 */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  let fleet: Promise<Fleet> | undefined
  const server = createServer(async (_, response) => {
    const peers = fleetPeers()
    try {
      if (!peers) throw new Error('not all of BELFRY_TEST_KAFKA, BELFRY_TEST_MONGO and BELFRY_TEST_CONSUL are set')
      fleet ??= startFleet({
        peers,
        instances,
        env: { ...patience, BELFRY_BOOTSTRAP_TOKEN: bootstrapToken },
        deadlineMs: 120_000,
      })
      response.end((await fleet).url)
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  provide('fleetStarter', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return async () => {
    server.close()
    const started = await fleet?.catch(() => undefined)
    await started?.stop()
  }
}
