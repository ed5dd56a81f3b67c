import { createMemoryBus, type PoisonMessage } from '@belfry/bus'
import { createBalancer, createStaticRegistry } from '@belfry/discovery'
import { createHttpApp, createServiceTokens } from '@belfry/http'
import { createHealth, createIds, createLog, createLoop, createManualClock, createMetrics } from '@belfry/service'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createConsumerPart, createPeerLoopsPart, createServiceShell } from '../src/index.ts'

function openDeps() {
  const clock = createManualClock()
  const log = createLog({ level: 'silent' })
  const metrics = createMetrics().forService('job-service')
  const ids = createIds()
  const bus = createMemoryBus({ clock, ids, sender: 'test' })
  const kept: PoisonMessage[] = []
  const stores = { poison: { keep: async (messages: readonly PoisonMessage[]) => void kept.push(...messages) } }
  return {
    clock,
    log,
    metrics,
    ids,
    health: createHealth({ clock, log }),
    registry: createStaticRegistry(),
    bus,
    stores,
  }
}

describe('the shell of a service', () => {
  function open(read: () => Promise<unknown> = async () => undefined) {
    const deps = openDeps()
    const app = createHttpApp({ service: 'job-service', deps, tokens: null })
    const order: string[] = []
    const part = (name: string) => ({
      name,
      start: () => void order.push(`start ${name}`),
      stop: () => void order.push(`stop ${name}`),
    })
    const shell = createServiceShell({
      service: 'job-service',
      deps,
      app,
      listen: { host: '127.0.0.1', port: 0 },
      store: { name: 'jobs.db', read },
      parts: [part('one'), part('two')],
    })
    onTestFinished(() => shell.stop())
    return { deps, shell, order }
  }

  it('starts the parts in order, then listens and registers', async () => {
    const { deps, shell, order } = open()
    const address = await shell.start()
    expect(order).toEqual(['start one', 'start two'])
    expect(deps.registry.instances('job-service')).toMatchObject([{ host: '127.0.0.1' }])
    expect((await fetch(`${address}/readyz`)).status).toBe(200)
  })

  it('stops once its last request is answered, though the client keeps the connection alive', async () => {
    const deps = openDeps()
    const app = createHttpApp({ service: 'job-service', deps, tokens: null })
    const arrived = Promise.withResolvers<void>()
    const mayAnswer = Promise.withResolvers<void>()
    app.get('/slow', { config: { access: 'public' } }, async () => {
      arrived.resolve()
      await mayAnswer.promise
      return {}
    })
    const shell = createServiceShell({
      service: 'job-service',
      deps,
      app,
      listen: { host: '127.0.0.1', port: 0 },
      parts: [],
    })
    const address = await shell.start()
    const answer = fetch(`${address}/slow`)
    await arrived.promise
    const stopped = shell.stop()
    // The close has begun, and has found the connection busy.
    await expect.poll(() => app.server.listening).toBe(false)
    mayAnswer.resolve()
    expect((await answer).status).toBe(200)
    // Far below the keep-alive time-out of 72 s, after which the connection would go by itself.
    await stopped
  })

  it('shows the metrics of its process and its breakers, the latter to other services only', async () => {
    const deps = openDeps()
    const { clock, registry, metrics } = deps
    const metricsRegistry = createMetrics({ version: '1.2.3' })
    const serviceTokens = createServiceTokens({ key: 'k'.repeat(32), clock })
    const breaker = { timeoutMs: 1_000, errorPercent: 50, resetMs: 1_000 }
    const balancer = createBalancer({ registry, clock, metrics, breaker, caller: 'job-service' })
    onTestFinished(() => balancer.close())
    const app = createHttpApp({ service: 'job-service', deps, tokens: null, serviceTokens })
    const listen = { host: '127.0.0.1', port: 0 }
    createServiceShell({
      service: 'job-service',
      deps: { ...deps, balancer, metricsRegistry },
      app,
      listen,
      parts: [],
    })
    const shown = await app.inject({ url: '/metrics', remoteAddress: '10.0.0.7' })
    expect([shown.statusCode, shown.body]).toEqual([200, expect.stringContaining('belfry_build_info')])
    expect((await app.inject('/internal/breakers')).statusCode).toBe(401)
    const authorization = `Bearer ${serviceTokens.sign('gateway')}`
    const breakers = await app.inject({ url: '/internal/breakers', headers: { authorization } })
    expect([breakers.statusCode, breakers.json()]).toEqual([200, { data: [] }])
  })

  it('is not ready while its store does not answer', async () => {
    const { shell } = open(async () => Promise.reject(new Error('locked')))
    const address = await shell.start()
    const answer = await fetch(`${address}/readyz?verbose`)
    expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('jobs.db')])
  })

  it('stops in reverse, and may be stopped twice', async () => {
    const { deps, shell, order } = open()
    const address = await shell.start()
    await shell.stop()
    await shell.stop()
    expect(order.slice(2)).toEqual(['stop two', 'stop one'])
    expect(deps.registry.instances('job-service')).toEqual([])
    await expect(fetch(address)).rejects.toThrow()
  })
})

describe('a part that consumes a topic', () => {
  it('handles the messages in a group of the service from start to stop', async () => {
    const deps = openDeps()
    const keys: string[] = []
    const part = createConsumerPart(deps, 'job-service', 'job-dead-letter', async (messages) => {
      keys.push(...messages.map(({ key }) => key))
    })
    const value = { kind: 'poison', topic: 'job-status', partition: 0, offset: '', reason: '', raw: '' } as const
    await part.start?.()
    await deps.bus.publish('job-dead-letter', [{ key: 'one', value }])
    await part.stop?.()
    await deps.bus.publish('job-dead-letter', [{ key: 'two', value }])
    expect([part.name, keys]).toEqual(['job-dead-letter', ['one']])
  })
})

describe('loops that call another service', () => {
  it('run at once when an instance of it registers, and not any more after stop', async () => {
    const { registry, clock, log } = openDeps()
    let runs = 0
    const runOnce = () => void runs++
    const part = createPeerLoopsPart('loops', registry, 'executor-service', [
      createLoop({ name: 'one', everyMs: 60_000, runOnce, clock, log }),
    ])
    await part.start?.()
    await clock.advance(0)
    const before = runs
    const instance = { service: 'executor-service', id: 'one', host: '127.0.0.1', port: 1 } as const
    await registry.register(instance)
    await clock.advance(100)
    expect(runs).toBe(before + 1)
    await part.stop?.()
    await registry.deregister(instance)
    await registry.register(instance)
    await clock.advance(100)
    expect(runs).toBe(before + 1)
  })
})
