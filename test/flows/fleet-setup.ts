import type { TestProject } from 'vitest/node'
import { fleetPeers, startFleet } from '../../proof/fleet.ts'

/** Starts the separate processes that all flows of the project run against, and ends them after the last one. */
export default async function setup({ provide }: TestProject): Promise<(() => Promise<void>) | undefined> {
  const peers = fleetPeers()
  if (!peers) return undefined
  const instances = { 'job-service': 2, 'scheduler-service': 2 }
  const fleet = await startFleet({ peers, instances, env: { BELFRY_LOG_LEVEL: 'warn' }, deadlineMs: 120_000 })
  provide('fleetUrl', fleet.url)
  return fleet.stop
}
