import { describe, expect, it } from 'vitest'
import {
  createHealth,
  createIds,
  createLifecycle,
  createLog,
  createLoop,
  createManualClock,
  createMetrics,
  createSeededIds,
} from '../src/index.ts'

const silent = createLog({ level: 'silent' })

function capturedLog(pretty = false) {
  const lines: string[] = []
  return {
    lines,
    log: createLog({ service: 'job-service', pretty, destination: { write: (line) => lines.push(line) } }),
  }
}

describe('a loop', () => {
  function started(options: { runOnce: () => unknown; everyMs?: number; lingerMs?: number }) {
    const clock = createManualClock()
    const { log, lines } = capturedLog()
    const loop = createLoop({ name: 'relay', everyMs: 1_000, clock, log, ...options })
    loop.start()
    return { clock, loop, lines }
  }

  it('turns at once and then every period', async () => {
    const turns: number[] = []
    const { clock, loop } = started({ runOnce: () => turns.push(clock.monotonic()) })
    await clock.advance(3_500)
    expect(turns).toEqual([0, 1_000, 2_000, 3_000])
    await loop.stop()
    await clock.advance(5_000)
    expect(turns).toHaveLength(4)
    expect(clock.pending()).toBe(0)
  })

  it('turns at times that it has in common with other loops, also after a nudge', async () => {
    const turns: number[] = []
    const { clock, loop } = started({ runOnce: () => turns.push(clock.monotonic()) })
    await clock.advance(1_130)
    loop.nudge()
    await clock.advance(2_000)
    expect(turns).toEqual([0, 1_000, 1_130, 2_000, 3_000])
    const [first, second]: [number[], number[]] = [[], []]
    const common = createManualClock()
    const add = (everyMs: number, of: number[]) =>
      createLoop({ name: 'x', everyMs, clock: common, log: silent, runOnce: () => of.push(common.monotonic()) }).start()
    add(500, first)
    await common.advance(140)
    add(250, second)
    await common.advance(1_000)
    expect(first).toEqual([0, 500, 1_000])
    expect(second).toEqual([140, 250, 500, 750, 1_000])
  })

  it('runs one turn for several nudges', async () => {
    const turns: number[] = []
    const { clock, loop } = started({ lingerMs: 20, runOnce: () => turns.push(clock.monotonic()) })
    await clock.advance(100)
    loop.nudge()
    await clock.advance(5)
    loop.nudge()
    await clock.advance(100)
    expect(turns).toEqual([0, 120])
  })

  it('goes on after a turn by hand that was at work when the next one was due', async () => {
    const turns: number[] = []
    const ends: (() => void)[] = []
    const runOnce = () => {
      turns.push(clock.monotonic())
      return new Promise<void>((end) => ends.push(end))
    }
    const { clock, loop } = started({ runOnce })
    await clock.advance(500)
    ends.shift()?.()
    const byHand = loop.runOnce()
    await clock.advance(1_000)
    ends.shift()?.()
    await byHand
    await clock.advance(0)
    expect(turns).toEqual([0, 500, 1_500])
  })

  it('never overlaps itself, and turns once more for nudges during a turn', async () => {
    const ends: (() => void)[] = []
    const { clock, loop } = started({ runOnce: () => new Promise<void>((end) => ends.push(end)) })
    await clock.advance(0)
    loop.nudge()
    loop.nudge()
    await clock.advance(5_000)
    expect(ends).toHaveLength(1)
    ends[0]!()
    await clock.advance(1)
    expect(ends).toHaveLength(2)
    const stopping = loop.stop()
    let isStopped = false
    void stopping.then(() => (isStopped = true))
    await clock.advance(1)
    expect(isStopped).toBe(false)
    ends[1]!()
    await stopping
  })

  it('goes on at once while there is more', async () => {
    let left = 5
    const { clock } = started({ runOnce: () => --left > 0 })
    await clock.advance(0)
    expect(left).toBe(0)
  })

  it('survives a turn that throws, says so once, and says when it works again', async () => {
    let turns = 0
    const { clock, lines } = started({
      runOnce: () => {
        turns += 1
        if (turns < 4) throw new Error('no luck')
      },
    })
    await clock.advance(4_000)
    expect(turns).toBe(5)
    const logged = lines.map((line) => JSON.parse(line))
    expect(logged.map((line) => [line.level, line.loop, line.msg])).toEqual([
      ['error', 'relay', 'loop failed'],
      ['info', 'relay', 'loop works again'],
    ])
    expect(logged[0].err.message).toBe('no luck')
    expect(logged[1].failures).toBe(3)
  })

  it('can be turned by hand, and then hands its error on', async () => {
    const clock = createManualClock()
    const loop = createLoop({
      name: 'scan',
      everyMs: 1_000,
      clock,
      log: silent,
      runOnce: () => Promise.reject(new Error('no luck')),
    })
    await expect(loop.runOnce()).rejects.toThrow('no luck')
    await expect(Promise.all([loop.runOnce(), loop.runOnce()])).rejects.toThrow('no luck')
  })
})

describe('starting in order', () => {
  function recorded(failing?: string) {
    const steps: string[] = []
    const parts = ['store', 'bus', 'http'].map((name) => ({
      name,
      start: () => {
        if (name === failing) throw new Error(`${name} is broken`)
        steps.push(`start ${name}`)
      },
      stop: async () => {
        steps.push(`stop ${name}`)
        if (failing === `stop ${name}`) throw new Error('stuck')
      },
    }))
    return { steps, parts }
  }

  it('stops in reverse, once, however often it is asked', async () => {
    const { steps, parts } = recorded()
    const life = createLifecycle(parts)
    await Promise.all([life.start(), life.start()])
    await Promise.all([life.stop(), life.stop()])
    await life.stop()
    expect(steps).toEqual(['start store', 'start bus', 'start http', 'stop http', 'stop bus', 'stop store'])
  })

  it('stops what has started when a later part fails', async () => {
    const { steps, parts } = recorded('http')
    const life = createLifecycle(parts)
    await expect(life.start()).rejects.toThrow('http is broken')
    await life.stop()
    expect(steps).toEqual(['start store', 'start bus', 'stop bus', 'stop store'])
  })

  it('stops the others although one does not stop', async () => {
    const { steps, parts } = recorded('stop bus')
    const life = createLifecycle(parts)
    await life.start()
    await expect(life.stop()).rejects.toThrow('bus did not stop cleanly')
    expect(steps.at(-1)).toBe('stop store')
  })
})

describe('health', () => {
  it('is ready when it was said to be and every dependency passes, and knows since when', async () => {
    const clock = createManualClock(1_000)
    const { log, lines } = capturedLog()
    const health = createHealth({ clock, log })
    let isUp = true
    health.add('store', () => {
      if (!isUp) throw new Error('secret detail')
    })
    expect((await health.report(true)).ready).toBe(false)
    health.setReady(true)
    expect(await health.report(false)).toEqual({ ready: true, checks: [] })
    await clock.advance(500)
    isUp = false
    const report = await health.report(true)
    expect(report).toEqual({ ready: false, checks: [{ name: 'store', ok: false, latencyMs: 0, since: 1_500 }] })
    await clock.advance(500)
    expect((await health.report(true)).checks[0]?.since).toBe(1_500)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('secret detail')
  })

  it('stays ready when an advisory check fails, and says so', async () => {
    const { log, lines } = capturedLog()
    const health = createHealth({ clock: createManualClock(1_000), log })
    health.setReady(true)
    const fail = () => {
      throw new Error('behind')
    }
    health.add('copies', fail, { isAdvisory: true })
    expect(await health.report(true)).toMatchObject({ ready: true, checks: [{ name: 'copies', ok: false }] })
    expect(lines[0]).toContain('behind')
    health.add('store', fail)
    expect((await health.report(false)).ready).toBe(false)
  })

  it('tolerates a check that fails for a while after it has passed, and never one that has not passed yet', async () => {
    const clock = createManualClock(1_000)
    const health = createHealth({ clock, log: silent })
    health.setReady(true)
    let isUp = false
    const check = () => {
      if (!isUp) throw new Error('slow')
    }
    health.add('store', check, { toleratedMs: 10_000 })
    const isReady = async () => (await health.report(false)).ready
    expect(await isReady()).toBe(false)
    isUp = true
    expect(await isReady()).toBe(true)
    await clock.advance(60_000)
    isUp = false
    expect(await health.report(true)).toMatchObject({ ready: true, checks: [{ name: 'store', ok: false }] })
    await clock.advance(9_999)
    expect(await isReady()).toBe(true)
    await clock.advance(1)
    expect(await isReady()).toBe(false)
    isUp = true
    expect(await isReady()).toBe(true)
  })

  it('does not wait for a dependency for ever', async () => {
    const clock = createManualClock()
    const health = createHealth({ clock, log: silent, checkTimeoutMs: 300 })
    health.setReady(true)
    health.add('broker', () => new Promise(() => undefined))
    const report = health.report(true)
    await clock.advance(300)
    expect(await report).toMatchObject({ ready: false, checks: [{ name: 'broker', ok: false, latencyMs: 300 }] })
    expect(clock.pending()).toBe(0)
  })
})

describe('metrics', () => {
  it('show one series per service under one name', async () => {
    const metricsRegistry = createMetrics({ version: '1.2.3' })
    metricsRegistry
      .forService('job-service')
      .counter('belfry_retries_total', 'Retries', ['job_type'])
      .inc({ job_type: 'DUMMY' }, 2)
    metricsRegistry
      .forService('executor-service')
      .counter('belfry_retries_total', 'Retries', ['job_type'])
      .labels({ job_type: 'X' })
      .inc()
    metricsRegistry
      .forService('executor-service')
      .gauge('belfry_executor_slots', 'Slots', ['state'], (gauge) => gauge.set({ state: 'free' }, 7))
    metricsRegistry.forService('gateway').histogram('belfry_start_lateness_seconds', 'Lateness').observe({}, 0.003)
    const text = await metricsRegistry.render()
    expect(text).toContain('belfry_retries_total{service="job-service",job_type="DUMMY"} 2')
    expect(text).toContain('belfry_retries_total{service="executor-service",job_type="X"} 1')
    expect(text).toContain('belfry_executor_slots{service="executor-service",state="free"} 7')
    expect(text).toContain('belfry_start_lateness_seconds_bucket{le="0.004",service="gateway"} 1')
    expect(text).toContain('belfry_build_info{version="1.2.3"} 1')
  })

  it('forget a series whose subject is gone', async () => {
    const metricsRegistry = createMetrics()
    const gauge = metricsRegistry.forService('gateway').gauge('belfry_up', 'Up', ['target'])
    gauge.set({ target: 'a' }, 1)
    gauge.set({ target: 'b' }, 1)
    gauge.remove({ target: 'a' })
    expect(await metricsRegistry.render()).not.toContain('target="a"')
    expect(await metricsRegistry.render()).toContain('target="b"')
  })

  it('refuse one name for two things', () => {
    const metrics = createMetrics().forService('gateway')
    metrics.counter('belfry_x_total', 'X')
    expect(() => metrics.gauge('belfry_x_total', 'X')).toThrow('belfry_x_total')
    expect(() => metrics.counter('belfry_x_total', 'X', ['route'])).toThrow('belfry_x_total')
  })

  it("include Node's, without the sampler that wakes an idle process", async () => {
    const text = await createMetrics({ defaults: true }).render()
    expect(text).toContain('process_cpu_seconds_total')
    expect(text).toContain('nodejs_heap_size_used_bytes')
    expect(text).toContain('nodejs_eventloop_utilization')
    expect(text).not.toContain('nodejs_eventloop_lag')
  })
})

describe('the log', () => {
  it('is JSON with the service, words for levels and ISO times', () => {
    const { lines, log } = capturedLog()
    log.child({ jobId: 'job-1' }).warn({ durationMs: 3 }, 'slow')
    const line = JSON.parse(lines[0]!)
    expect(line).toMatchObject({ level: 'warn', service: 'job-service', jobId: 'job-1', durationMs: 3, msg: 'slow' })
    expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT/)
  })

  it('hides what is secret wherever it stands', () => {
    const { lines, log } = capturedLog()
    const secret = 'canary-value'
    log.info({ token: secret, body: { password: secret }, req: { headers: { authorization: secret, cookie: secret } } })
    expect(lines[0]).not.toContain(secret)
  })

  it('logs errors of adapters in a sentence, and bugs with their stack', () => {
    const { lines, log } = capturedLog()
    const full = Object.assign(new Error('the disk is full'), { name: 'StorageError', code: 'disk-full' })
    log.warn({ err: full }, 'not stored')
    log.error({ err: new TypeError('ours') }, 'failed')
    const shown = lines.map((line) => JSON.parse(line).err)
    expect(shown[0]).toEqual({ type: 'StorageError', code: 'disk-full', message: 'the disk is full' })
    expect(shown[1].stack).toContain('process.test.ts')
  })

  it('reads well at a terminal', () => {
    const { lines, log } = capturedLog(true)
    log.info('listening')
    expect(lines[0]).toContain('listening')
    expect(() => JSON.parse(lines[0]!)).toThrow()
  })
})

describe('ids', () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

  it('grow from one to the next', () => {
    for (const ids of [createIds(), createSeededIds(1)]) {
      const list = Array.from({ length: 2_000 }, () => ids.uuid())
      expect(list.every((id) => uuid.test(id))).toBe(true)
      expect(list.toSorted()).toEqual(list)
      expect(new Set(list).size).toBe(list.length)
    }
  })

  it('are the same for the same seed only', () => {
    expect(createSeededIds(7).uuid()).toBe(createSeededIds(7).uuid())
    expect(createSeededIds(7).uuid()).not.toBe(createSeededIds(8).uuid())
  })
})
