import { peerUrl } from '@belfry/testkit'
import { afterAll, describe, it } from 'vitest'
import { createHosts, killsOf, pointTimeoutMs } from './hosts.ts'

const together = { concurrent: true, timeout: pointTimeoutMs }
const hasServers = [peerUrl('kafka'), peerUrl('mongo'), peerUrl('consul')].every((url) => url !== undefined)

describe.skipIf(!hasServers)('a service on MongoDB that is killed at a durable step comes right', together, () => {
  const hosts = createHosts('mongo')
  afterAll(() => hosts.close())
  it.each(killsOf('mongo'))('%s', (_name, kill) => hosts.kill(kill))
})
