import { createTestDeps } from '@belfry/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type ClockView, createPeerClocks } from '../../src/index.ts'
import { balancerTo, listen } from './loopback.ts'

const config = { clockWatchMs: 5_000, clockSkewMs: 5_000 }
const hour = 3_600_000

function watched(balancer: { clocks(): ClockView[] }) {
  const deps = createTestDeps({ logLevel: 'info' })
  const { clock, log, health } = deps.depsOf('job-service')
  health.setReady(true)
  const watch = createPeerClocks({ deps: { clock, log, health }, balancer, config })
  watch.start()
  onTestFinished(() => watch.stop())
  const check = async () => {
    const { ready, checks } = await health.report(true)
    return { ready, note: checks.find(({ name }) => name === 'peer clocks')?.note }
  }
  return { clock, check, messages: () => deps.logged().map(({ msg, target }) => ({ msg, target })) }
}

describe('the clocks of other processes', () => {
  it('are no note while they differ by less than the bound', async () => {
    const { clock, check, messages } = watched({
      clocks: () => [{ service: 'auth-service', target: 'a', aheadMs: -4_999 }],
    })
    await clock.advance(10_000)
    expect(await check()).toEqual({ ready: true, note: undefined })
    expect(messages()).toEqual([])
  })

  it('are a note of a service that stays ready, with the largest difference and without an address', async () => {
    const { check } = watched({
      clocks: () => [
        { service: 'auth-service', target: '10.0.0.1', aheadMs: -7_000 },
        { service: 'executor-service', target: '10.0.0.2', aheadMs: hour },
      ],
    })
    const note = 'the clock of an instance of executor-service is 3600 s ahead of this one; 1 more differ'
    expect(await check()).toEqual({ ready: true, note })
  })

  it('are logged once when they come apart, and once when they agree again', async () => {
    let aheadMs = -hour
    const { clock, messages } = watched({ clocks: () => [{ service: 'auth-service', target: 'a', aheadMs }] })
    await clock.advance(30_000)
    const differs = { target: 'a', msg: 'the clock of an instance of auth-service differs from the own one' }
    expect(messages()).toEqual([differs])
    aheadMs = 0
    await clock.advance(30_000)
    expect(messages()).toEqual([differs, { target: 'a', msg: 'the clocks differ no more' }])
  })

  it('are compared with the own clock as it is now, also when that was set since the last answer', async () => {
    const { port } = await listen((_request, reply) => {
      reply.sendDate = false
      reply.writeHead(200, { date: new Date(at).toUTCString() }).end()
    })
    const { clock, codeOf, balancer } = await balancerTo([port])
    const at = clock.now()
    await codeOf()
    expect(balancer.clocks()).toMatchObject([{ service: 'job-service', aheadMs: 0 }])
    clock.step(hour)
    expect(balancer.clocks()).toMatchObject([{ aheadMs: -hour }])
  })
})
