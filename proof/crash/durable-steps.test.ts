import { peerUrl } from '@belfry/testkit'
import { afterAll, describe, it } from 'vitest'
import type { Kill } from './chain.ts'
import { coverageOf, type StoreKind } from './coverage.ts'
import { createHosts } from './hosts.ts'
import { phases } from './points.ts'

/** The points of a store's steps that no scenario of crash-points.test.ts has. */
function killsOf(kind: StoreKind): (readonly [string, Kill])[] {
  return coverageOf(kind).flatMap(({ service, step, way }) => {
    if (way === undefined || way === 'scenario' || 'exempt' in way) return []
    return phases.map((phase) => {
      const point = `${step}:${phase}`
      return [`${service} ${point}`, { service, point, way }] as const
    })
  })
}

const together = { concurrent: true, timeout: 180_000 }
const hasServers = ['kafka', 'mongo', 'consul'].every((peer) => peerUrl(peer as 'kafka') !== undefined)

describe('one process on SQLite that is killed at a durable step comes right', together, () => {
  const hosts = createHosts('sqlite')
  afterAll(() => hosts.close())
  it.each(killsOf('sqlite'))('%s', (_name, kill) => hosts.kill(kill))
})

describe.skipIf(!hasServers)('a service on MongoDB that is killed at a durable step comes right', together, () => {
  const hosts = createHosts('mongo')
  afterAll(() => hosts.close())
  it.each(killsOf('mongo'))('%s', (_name, kill) => hosts.kill(kill))
})
