import { createHealth, createLog, createManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createListener, createStaticRegistry, defaultAdvertiseHost, type ListenAddress } from '../../src/index.ts'

function open(listen: ListenAddress) {
  const clock = createManualClock()
  const health = createHealth({ clock, log: createLog({ level: 'silent' }) })
  const registry = createStaticRegistry()
  const calls: string[] = []
  const app = {
    server: {
      address: () => ({ address: listen.host, family: 'IPv4', port: listen.port || 4321 }),
      closeIdleConnections: () => undefined,
    },
    async listen({ host, port }: { host: string; port: number }) {
      calls.push(`listen ${host}:${port}`)
      return `http://${host}:${port || 4321}`
    },
    async close() {
      calls.push('close')
    },
  }
  const listener = createListener({ service: 'job-service', app, ...listen, registry, health })
  const isReady = async () => (await health.report(true)).ready
  return { listener, registry, calls, isReady, instances: () => registry.instances('job-service') }
}

describe('a listener', () => {
  it('registers the address that it listens on, with the port that it took', async () => {
    const { listener, instances, isReady } = open({ host: '127.0.0.1', port: 0 })
    expect(await isReady()).toBe(false)
    await listener.start()
    expect(listener.address()).toBe('http://127.0.0.1:4321')
    const id = 'job-service-127.0.0.1-4321'
    expect(instances()).toEqual([{ service: 'job-service', id, host: '127.0.0.1', port: 4321 }])
    expect(await isReady()).toBe(true)
  })

  it('registers the advertised address instead', async () => {
    const { listener, instances, calls } = open({ host: '0.0.0.0', port: 0, advertise: { host: 'jobs.internal' } })
    await listener.start()
    expect(calls).toEqual(['listen 0.0.0.0:0'])
    expect(instances()).toMatchObject([{ id: 'job-service-jobs.internal-4321', host: 'jobs.internal', port: 4321 }])
    const onlyPort = open({ host: '127.0.0.1', port: 80, advertise: { port: 18080 } })
    await onlyPort.listener.start()
    expect(onlyPort.instances()).toMatchObject([{ host: '127.0.0.1', port: 18080 }])
    const mapped = open({ host: '0.0.0.0', port: 80, advertise: { host: 'jobs.internal', port: 18080 } })
    await mapped.listener.start()
    expect(mapped.instances()).toMatchObject([{ host: 'jobs.internal', port: 18080 }])
  })

  it('registers what the registry is to show beside the address', async () => {
    const { listener, instances } = open({ host: '127.0.0.1', port: 0, meta: () => ({ 'job-types': 'DUMMY' }) })
    await listener.start()
    expect(instances()).toMatchObject([{ meta: { 'job-types': 'DUMMY' } }])
  })

  it('is neither ready nor registered after stop, and then closed', async () => {
    const { listener, instances, calls, isReady } = open({ host: '127.0.0.1', port: 0 })
    await listener.start()
    await listener.stop()
    expect([instances(), await isReady(), calls.at(-1)]).toEqual([[], false, 'close'])
  })
})

describe('the address that is advertised by default', () => {
  const of = (address: string, family: 'IPv4' | 'IPv6', internal = false) =>
    ({ address, family, internal, netmask: '', mac: '', cidr: null, ...(family === 'IPv6' && { scopeid: 0 }) }) as never
  const interfaces = {
    lo: [of('127.0.0.1', 'IPv4', true), of('::1', 'IPv6', true)],
    eth0: [of('fe80::1', 'IPv6'), of('2001:db8::5', 'IPv6'), of('10.0.0.5', 'IPv4')],
  }

  it('is the one that the service listens on', () => {
    expect(defaultAdvertiseHost('192.0.2.1', interfaces)).toBe('192.0.2.1')
    expect(defaultAdvertiseHost('jobs.internal', interfaces)).toBe('jobs.internal')
  })

  it('is the first address of the machine when it listens on all', () => {
    expect(defaultAdvertiseHost('0.0.0.0', interfaces)).toBe('10.0.0.5')
    expect(defaultAdvertiseHost('::', interfaces)).toBe('10.0.0.5')
    expect(defaultAdvertiseHost('::', { eth0: interfaces.eth0.slice(0, 2) })).toBe('2001:db8::5')
    expect(defaultAdvertiseHost('::', { lo: interfaces.lo })).toBe('127.0.0.1')
  })
})
