import { setTimeout as wait } from 'node:timers/promises'
import { peerUrl } from '@belfry/testkit'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Instance, Registry } from '../../src/index.ts'
import { openConsulProxy, type ProxyMode } from './consul-proxy.ts'
import { openConsulWorld } from './consul-world.ts'
import { describeRegistry } from './registry.contract.ts'

const url = peerUrl('consul')
const consul = String(url)
const soon = { timeout: 15_000, interval: 10 }

function openWorld() {
  const world = openConsulWorld(consul)
  onTestFinished(world.close)
  return world
}

const idsOf = (registry: Registry) => registry.instances('job-service').map(({ id }) => id)
const lists = (registry: Registry, expected: readonly Instance[]) =>
  vi.waitFor(() => expect(idsOf(registry)).toEqual(expected.map(({ id }) => id).toSorted()), soon)

/** The registry's own check, as `/readyz?verbose` shows it; it never makes the process unready. */
const isWhole = async ({ health }: { health: { report(verbose: boolean): Promise<unknown> } }) => {
  const report = await health.report(true)
  expect(report).toMatchObject({ ready: true })
  return (report as { checks: { name: string; ok: boolean }[] }).checks.find(({ name }) => name === 'registry')?.ok
}

const put = (path: string, body?: object) =>
  fetch(new URL(path, consul), { method: 'PUT', ...(body && { body: JSON.stringify(body) }) })

describe.skipIf(url === undefined)('with a Consul', { timeout: 60_000 }, () => {
  describeRegistry('Consul', async () => openConsulWorld(consul))

  it('shows what it registered: name, tags, version and mode, and the check of the advertised address', async () => {
    const world = openWorld()
    const { registry } = await world.process({ meta: { version: '1.2.3', mode: 'distributed' }, key: 'k'.repeat(32) })
    const own = await world.instance('executor-service')
    await registry.register({ ...own, meta: { 'job-types': 'HTTP_CALL,DUMMY', long: 'x'.repeat(600) } })
    const listed = await fetch(new URL(`/v1/health/service/${world.prefix}-executor-service`, consul))
    const [{ Service, Checks }] = (await listed.json()) as [{ Service: object; Checks: object[] }]
    expect(Service).toMatchObject({
      ID: own.id,
      Address: '127.0.0.1',
      Port: own.port,
      Tags: [world.prefix],
      Meta: { version: '1.2.3', mode: 'distributed', 'job-types': 'HTTP_CALL,DUMMY', signature: expect.any(String) },
    })
    expect(Service).not.toHaveProperty('Meta.long')
    expect(Checks).toContainEqual(expect.objectContaining({ Name: 'ready', ServiceID: own.id }))
  })

  it('drops an instance whose check fails, and lists it again when it passes', async () => {
    const world = openWorld()
    const [registry, other] = [await world.open(), await world.open()]
    const [first, second] = [await world.instance('job-service'), await world.instance('job-service')]
    await registry.register(first)
    await registry.register(second)
    await lists(other, [first, second])
    first.setReady(false)
    await lists(other, [second])
    first.setReady(true)
    await lists(other, [first, second])
    const killedAt = performance.now()
    await second.kill()
    await lists(other, [first])
    // The check comes once a second; a machine with much else to do is given more.
    expect(performance.now() - killedAt).toBeLessThan(10_000)
  })

  it('registers a process that is not ready as failing, until its check passes', async () => {
    const world = openWorld()
    const [opened, other] = [await world.process(), await world.open()]
    const own = await world.instance('job-service')
    own.setReady(false)
    opened.health.setReady(false)
    await opened.registry.register(own)
    const fetched = await fetch(new URL(`/v1/health/service/${world.prefix}-job-service`, consul))
    expect(await fetched.json()).toMatchObject([{ Service: { ID: own.id } }])
    expect(idsOf(other)).toEqual([])
    own.setReady(true)
    await lists(other, [own])
  })

  it.each<ProxyMode>(['error', 'hang', 'refuse'])(
    'keeps the last good list through an outage (%s), and follows Consul again after it',
    async (mode) => {
      const world = openWorld()
      const proxy = await openConsulProxy(consul)
      const [opened, direct] = [await world.process({ consul: proxy.host }), await world.open()]
      const [first, second] = [await world.instance('job-service'), await world.instance('job-service')]
      await opened.registry.register(first)
      await lists(opened.registry, [first])
      expect(await isWhole(opened)).toBe(true)
      const changes: string[][] = []
      opened.registry.watch('job-service', (list) => changes.push(list.map(({ id }) => id)))

      proxy.set(mode)
      await direct.register(second)
      await vi.waitFor(async () => expect(await isWhole(opened)).toBe(false), soon)
      expect(await opened.metrics()).toMatch(/belfry_registry_up\{service="gateway"\} 0/)
      await vi.waitFor(() => expect(proxy.calls()).toBeGreaterThanOrEqual(10), soon)
      expect([changes, idsOf(opened.registry)]).toEqual([[], [first.id]])

      proxy.set('pass')
      await lists(opened.registry, [first, second])
      const said = () => opened.logged().map(({ msg }) => String(msg))
      await vi.waitFor(() => expect(said()).toContain('Consul answers again'), soon)
      expect(said().filter((line) => line.startsWith('Consul does not answer'))).toHaveLength(1)
      await vi.waitFor(async () => expect(await isWhole(opened)).toBe(true), soon)
      expect(changes).toHaveLength(1)
    },
  )

  it('asks a Consul that fails no more than four times a second for each service', async () => {
    const world = openWorld()
    const proxy = await openConsulProxy(consul)
    await world.process({ consul: proxy.host })
    proxy.set('error')
    await wait(2_000)
    expect(proxy.calls()).toBeLessThanOrEqual(5 * 4 * 2.5)
  })

  it('starts while Consul is away, and registers when it comes', async () => {
    const world = openWorld()
    const proxy = await openConsulProxy(consul)
    proxy.set('error')
    const opened = await world.process({ consul: proxy.host })
    const own = await world.instance('job-service')
    await opened.registry.register(own)
    expect(await isWhole(opened)).toBe(false)
    const line = expect.objectContaining({ loop: 'registration', msg: 'loop failed' })
    await vi.waitFor(() => expect(opened.logged()).toContainEqual(line), soon)
    expect(JSON.stringify(opened.logged()).length).toBeLessThan(10_000)
    expect([opened.registry.own('job-service'), idsOf(opened.registry)]).toEqual([own, []])
    proxy.set('pass')
    await lists(await world.open(), [own])
    await vi.waitFor(async () => expect(await isWhole(opened)).toBe(true), soon)
  })

  it('follows a Consul that takes longer than two seconds for each answer', async () => {
    const world = openWorld()
    const proxy = await openConsulProxy(consul)
    proxy.set('slow')
    const opened = await world.process({ consul: proxy.host })
    const [own, second] = [await world.instance('job-service'), await world.instance('job-service')]
    await opened.registry.register(own)
    await lists(opened.registry, [own])
    await (await world.open()).register(second)
    await lists(opened.registry, [own, second])
    await vi.waitFor(async () => expect(await isWhole(opened)).toBe(true), soon)
  })

  it('stops within seconds while Consul hangs', async () => {
    const world = openWorld()
    const proxy = await openConsulProxy(consul)
    const { registry, logged } = await world.process({ consul: proxy.host })
    const own = await world.instance('job-service')
    await registry.register(own)
    proxy.set('hang')
    // By then the client knows that its old connections are closed.
    await vi.waitFor(() => expect(proxy.calls()).toBeGreaterThanOrEqual(5), soon)
    const startedAt = performance.now()
    await registry.deregister(own)
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    expect(logged().map(({ msg }) => msg)).toContainEqual(expect.stringContaining('could not leave Consul'))
    await registry.close()
  })

  it('registers again what Consul has lost, at the right address', async () => {
    const world = openWorld()
    const [registry, other] = [await world.open(), await world.open()]
    const [own, elsewhere] = [await world.instance('job-service'), await world.instance('job-service')]
    await registry.register(own)
    await lists(other, [own])
    await put(`/v1/agent/service/deregister/${own.id}`)
    const services = async () => (await fetch(new URL('/v1/agent/services', consul))).json() as Promise<object>
    await vi.waitFor(async () => expect(await services()).toHaveProperty([own.id]), soon)
    await lists(other, [own])
    const Name = `${world.prefix}-job-service`
    const Check = { TTL: '60s', Status: 'passing' }
    await put('/v1/agent/service/register', { Name, ID: own.id, Address: '127.0.0.1', Port: elsewhere.port, Check })
    await vi.waitFor(async () => expect(await services()).toHaveProperty([own.id, 'Port'], own.port), soon)
    await vi.waitFor(() => expect(other.instances('job-service')).toEqual([own]), soon)
  })

  it('does not register again what was deregistered', async () => {
    const world = openWorld()
    const [registry, other] = [await world.open(), await world.open()]
    const [first, second] = [await world.instance('job-service'), await world.instance('job-service')]
    await registry.register(first)
    await registry.deregister(first)
    await registry.register(second)
    await lists(other, [second])
    await wait(1_500)
    expect(idsOf(other)).toEqual([second.id])
  })

  it('ignores an instance without a valid signature, and counts and logs it once', async () => {
    const world = openWorld()
    const key = 'a key of the services, 32 bytes long'
    const opened = await world.process({ key })
    const [own, fake] = [await world.instance('job-service'), await world.instance('job-service')]
    await opened.registry.register(own)
    await lists(opened.registry, [own])
    const listed = await fetch(new URL(`/v1/agent/services`, consul))
    const services = (await listed.json()) as Record<string, { Meta: { signature: string } }>
    const Meta = { signature: services[own.id]?.Meta.signature }
    const Name = `${world.prefix}-job-service`
    const attempts = [
      // Not signed, signed for another instance, signed with another key, malformed.
      { Name, ID: fake.id, Address: '127.0.0.1', Port: fake.port },
      { Name, ID: `${own.id}0`, Address: '127.0.0.1', Port: fake.port, Meta },
      { Name, ID: 'malformed', Address: 'evil/path', Port: fake.port, Meta },
    ]
    onTestFinished(async () => {
      for (const { ID } of attempts) await put(`/v1/agent/service/deregister/${ID}`)
    })
    for (const attempt of attempts) await put('/v1/agent/service/register', attempt)
    const foreign = await world.process({ key: 'another key of services, 32 bytes!' })
    const unsigned = await world.process()
    await foreign.registry.register(await world.instance('job-service'))
    const real = await world.process({ key })
    const second = await world.instance('job-service')
    await real.registry.register(second)

    await lists(opened.registry, [own, second])
    await vi.waitFor(() => expect(unsigned.registry.instances('job-service')).toHaveLength(5), soon)
    const warnings = opened.logged().filter(({ msg }) => String(msg).includes('ignored'))
    expect(warnings).toHaveLength(4)
    expect(await opened.metrics()).toMatch(
      /belfry_registry_ignored_instances_total\{service="gateway",of="job-service"\} 4/,
    )
  })

  it('takes no registration for one of another system on the same Consul', async () => {
    const key = 'a key of the services, 32 bytes long'
    const [world, elsewhere] = [openWorld(), openWorld()]
    const [here, there] = [await world.process({ key }), await elsewhere.process({ key })]
    const [own, other] = [await world.instance('job-service'), await elsewhere.instance('job-service')]
    await here.registry.register(own)
    await there.registry.register(other)
    await lists(here.registry, [own])
    await lists(there.registry, [other])
  })
})
