import { describe, expect, it } from 'vitest'
import { createClockWatch, createLog, createManualClock, createMetrics } from '../src/index.ts'

describe('the clock watch', () => {
  it('logs and counts each time that the clock is set, and nothing else', async () => {
    const clock = createManualClock(Date.UTC(2026, 10, 1))
    const lines: Record<string, unknown>[] = []
    const log = createLog({ destination: { write: (line) => void lines.push(JSON.parse(line)) } })
    const metricsRegistry = createMetrics()
    const deps = { clock, log, metrics: metricsRegistry.forService('standalone') }
    const watch = createClockWatch({ deps, config: { clockWatchMs: 5000, clockStepMs: 1000 } })
    watch.start()
    await clock.advance(60_000)
    clock.step(-999)
    await clock.advance(60_000)
    expect(lines).toEqual([])
    clock.step(-3_600_000)
    await clock.advance(60_000)
    clock.step(86_400_000)
    await clock.advance(60_000)
    expect(lines).toMatchObject([
      { level: 'warn', byMs: -3_600_000, msg: 'the clock was set back: what is due comes that much later' },
      { level: 'info', byMs: 86_400_000, msg: 'the clock was set forward, or this machine has slept' },
    ])
    const metrics = await metricsRegistry.render()
    for (const direction of ['back', 'forward'])
      expect(metrics).toContain(`belfry_clock_steps_total{service="standalone",direction="${direction}"} 1`)
    await watch.stop()
  })
})
