import { peerUrl } from '@belfry/testkit'
import { describe } from 'vitest'
import { openConsulWorld } from './consul-world.ts'
import { describeRegistry } from './registry.contract.ts'

const url = peerUrl('consul')

describe.skipIf(url === undefined)('with a Consul', () => {
  describeRegistry('Consul', async () => openConsulWorld(String(url)))
})
