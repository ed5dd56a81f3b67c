import type { ServiceName } from '@belfry/contracts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Instance, Registry } from '../../src/index.ts'

function instance(service: ServiceName, port: number): Instance {
  return { service, id: `${service}-127.0.0.1-${port}`, host: '127.0.0.1', port }
}

/** What every adapter of the registry port does. `open` gives an empty one. */
export function discoveryContract(name: string, open: () => Promise<Registry>): void {
  describe(`registry over ${name}`, () => {
    const first = instance('job-service', 4001)
    const second = instance('job-service', 4002)
    const other = instance('auth-service', 4003)
    let registry: Registry

    beforeEach(async () => {
      registry = await open()
    })
    afterEach(() => registry.close())

    it('is empty at first', () => {
      expect(registry.pick('job-service')).toBeUndefined()
      expect(registry.instances('job-service')).toEqual([])
    })

    it('picks the instances of a service round-robin', async () => {
      for (const one of [first, second, other]) await registry.register(one)
      const picked = [1, 2, 3, 4].map(() => registry.pick('job-service')?.port)
      expect(picked.toSorted()).toEqual([4001, 4001, 4002, 4002])
      expect(picked[0]).not.toBe(picked[1])
      expect(registry.pick('auth-service')).toEqual(other)
    })

    it('takes a second registration of an instance for its newest address', async () => {
      await registry.register(first)
      await registry.register({ ...first, port: 4009 })
      expect(registry.instances('job-service')).toEqual([{ ...first, port: 4009 }])
    })

    it('forgets an instance that deregisters, also twice', async () => {
      await registry.register(first)
      await registry.register(second)
      await registry.deregister(first)
      await registry.deregister(first)
      expect([1, 2].map(() => registry.pick('job-service'))).toEqual([second, second])
    })

    it('calls the watchers of a service on each change, until they stop', async () => {
      const seen: number[][] = []
      const unwatch = registry.watch('job-service', (list) => seen.push(list.map((one) => one.port)))
      await registry.register(first)
      await registry.register(other)
      await registry.register(second)
      await registry.deregister(first)
      unwatch()
      await registry.deregister(second)
      expect(seen).toEqual([[4001], [4001, 4002], [4002]])
    })
  })
}
