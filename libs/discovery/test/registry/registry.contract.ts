import type { ServiceName } from '@belfry/contracts'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Instance, Registry } from '../../src/index.ts'

/** One network of processes; each `open` is a process with a registry of its own. */
export interface RegistryWorld {
  open(): Promise<Registry>
  /** An instance that answers its readiness check. */
  instance(service: ServiceName): Promise<Instance>
  /** Takes back all that was opened and registered. */
  close(): Promise<void>
}

/** Changes reach other processes after a while. */
const soon = { timeout: 10_000, interval: 10 }

const idsOf = (list: readonly Instance[]) => list.map(({ id }) => id).toSorted()

/** What every adapter of the registry port does. */
export function describeRegistry(name: string, openWorld: () => Promise<RegistryWorld>): void {
  describe(`registry over ${name}`, { timeout: 30_000 }, () => {
    let world: RegistryWorld
    let registry: Registry
    let other: Registry

    beforeEach(async () => {
      world = await openWorld()
      registry = await world.open()
      other = await world.open()
    })
    afterEach(() => world.close())

    const lists = async (one: Registry, expected: readonly Instance[]) => {
      const service = 'job-service'
      await vi.waitFor(() => expect(idsOf(one.instances(service))).toEqual(idsOf(expected)), soon)
    }

    it('is empty at first', () => {
      expect(registry.pick('job-service')).toBeUndefined()
      expect(registry.instances('job-service')).toEqual([])
      expect(registry.own('job-service')).toBeUndefined()
    })

    it('picks the instances of a service round-robin, in each process', async () => {
      const [first, second] = [await world.instance('job-service'), await world.instance('job-service')]
      const auth = await world.instance('auth-service')
      await registry.register(first)
      await other.register(second)
      await other.register(auth)
      for (const one of [registry, other]) {
        await lists(one, [first, second])
        const picked = [1, 2, 3, 4].map(() => one.pick('job-service')?.port)
        expect(picked.toSorted()).toEqual([first.port, first.port, second.port, second.port].toSorted())
        expect(picked[0]).not.toBe(picked[1])
        await vi.waitFor(() => expect(one.pick('auth-service')).toEqual(auth), soon)
      }
    })

    it('knows the own instance at once, and only the own one', async () => {
      const own = await world.instance('job-service')
      await registry.register(own)
      expect([registry.own('job-service'), registry.own('auth-service'), other.own('job-service')]).toEqual([
        own,
        undefined,
        undefined,
      ])
      await registry.deregister(own)
      expect(registry.own('job-service')).toBeUndefined()
    })

    it('takes a second registration of an instance for its newest address', async () => {
      const [first, moved] = [await world.instance('job-service'), await world.instance('job-service')]
      await registry.register(first)
      await lists(other, [first])
      await registry.register({ ...first, port: moved.port })
      await vi.waitFor(() => expect(other.instances('job-service')).toEqual([{ ...first, port: moved.port }]), soon)
    })

    it('forgets an instance that deregisters, also twice', async () => {
      const [first, second] = [await world.instance('job-service'), await world.instance('job-service')]
      await registry.register(first)
      await registry.register(second)
      await lists(other, [first, second])
      await registry.deregister(first)
      await registry.deregister(first)
      for (const one of [registry, other]) {
        await lists(one, [second])
        expect([1, 2].map(() => one.pick('job-service'))).toEqual([second, second])
      }
    })

    it('calls the watchers of a service on each change, until they stop', async () => {
      const [first, second] = [await world.instance('job-service'), await world.instance('job-service')]
      const seen: string[][] = []
      const unwatch = other.watch('job-service', (list) => seen.push(idsOf(list)))
      await registry.register(first)
      await registry.register(await world.instance('auth-service'))
      await lists(other, [first])
      await registry.register(second)
      await lists(other, [first, second])
      await registry.deregister(first)
      await lists(other, [second])
      unwatch()
      await registry.deregister(second)
      await lists(other, [])
      expect(seen).toEqual([idsOf([first]), idsOf([first, second]), idsOf([second])])
    })

    it('gives the same list until it changes', async () => {
      const first = await world.instance('job-service')
      await registry.register(first)
      await lists(other, [first])
      const list = other.instances('job-service')
      await registry.register(await world.instance('auth-service'))
      await vi.waitFor(() => expect(other.instances('auth-service')).toHaveLength(1), soon)
      expect(other.instances('job-service')).toBe(list)
    })
  })
}
