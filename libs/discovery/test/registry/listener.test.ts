import { createHealth, createLog, createManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createListener, createStaticRegistry, type ListenAddress } from '../../src/index.ts'

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
    const mapped = open({ host: '0.0.0.0', port: 80, advertise: { host: 'jobs.internal', port: 18080 } })
    await mapped.listener.start()
    expect(mapped.instances()).toMatchObject([{ host: 'jobs.internal', port: 18080 }])
  })

  it('is neither ready nor registered after stop, and then closed', async () => {
    const { listener, instances, calls, isReady } = open({ host: '127.0.0.1', port: 0 })
    await listener.start()
    await listener.stop()
    expect([instances(), await isReady(), calls.at(-1)]).toEqual([[], false, 'close'])
  })
})
