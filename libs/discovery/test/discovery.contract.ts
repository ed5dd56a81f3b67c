import type { ServiceName } from '@belfry/contracts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Discovery, Instance } from '../src/index.ts'

function instance(service: ServiceName, port: number): Instance {
  return { service, id: `${service}-127.0.0.1-${port}`, host: '127.0.0.1', port }
}

/** What every body of the discovery port does. `open` gives a fresh one that knows nobody. */
export function discoveryContract(name: string, open: () => Promise<Discovery>): void {
  describe(`discovery over ${name}`, () => {
    const first = instance('job-service', 4001)
    const second = instance('job-service', 4002)
    const other = instance('auth-service', 4003)
    let discovery: Discovery

    beforeEach(async () => {
      discovery = await open()
    })
    afterEach(() => discovery.close())

    it('knows nobody at first', () => {
      expect(discovery.pick('job-service')).toBeUndefined()
      expect(discovery.instances('job-service')).toEqual([])
    })

    it('takes the instances of a service in turn', async () => {
      for (const one of [first, second, other]) await discovery.register(one)
      const picked = [1, 2, 3, 4].map(() => discovery.pick('job-service')?.port)
      expect(picked.toSorted()).toEqual([4001, 4001, 4002, 4002])
      expect(picked[0]).not.toBe(picked[1])
      expect(discovery.pick('auth-service')).toEqual(other)
    })

    it('takes a second registration of an instance for its newest address', async () => {
      await discovery.register(first)
      await discovery.register({ ...first, port: 4009 })
      expect(discovery.instances('job-service')).toEqual([{ ...first, port: 4009 }])
    })

    it('forgets who leaves, and does not mind who leaves twice', async () => {
      await discovery.register(first)
      await discovery.register(second)
      await discovery.deregister(first)
      await discovery.deregister(first)
      expect([1, 2].map(() => discovery.pick('job-service'))).toEqual([second, second])
    })

    it('tells those who watch, until they stop', async () => {
      const seen: number[][] = []
      const unwatch = discovery.watch('job-service', (list) => seen.push(list.map((one) => one.port)))
      await discovery.register(first)
      await discovery.register(other)
      await discovery.register(second)
      await discovery.deregister(first)
      unwatch()
      await discovery.deregister(second)
      expect(seen).toEqual([[4001], [4001, 4002], [4002]])
    })
  })
}
