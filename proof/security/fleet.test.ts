import { afterAll, beforeAll, describe, it } from 'vitest'
import { fleetPeers } from '../fleet.ts'
import { createFindings } from './findings.ts'
import { openFleetWorld } from './fleet-world.ts'
import { checkMatrix } from './matrix.ts'
import { checkOwners } from './owners.ts'
import { checkTokens } from './tokens.ts'
import type { World } from './world.ts'

const peers = fleetPeers()
const minutes = 60_000

/** The same callers and ids against one process per service, on Kafka, MongoDB and Consul. */
describe.skipIf(!peers)('in a fleet, what is not for a caller', () => {
  let world: World
  const { prove, report } = createFindings(() => world, true)

  beforeAll(async () => {
    if (peers) world = await openFleetWorld(peers)
  }, 3 * minutes)

  afterAll(async () => {
    report()
    await world?.close()
  }, minutes)

  it('is refused at every route, at the gateway and at the service', () => prove(checkMatrix, 2_000), 10 * minutes)
  it('is not shown or changed by ids of another owner', () => prove(checkOwners, 1_000), 10 * minutes)

  it('is not had by a doctored token, or by one in a wrong place', () => prove(checkTokens, 60), 5 * minutes)
})
