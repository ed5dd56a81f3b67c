import { describe, expect, it } from 'vitest'
import {
  createHealth,
  createLog,
  createManualClock,
  createMetrics,
  createRetentionClock,
  type ManualClock,
} from '../src/index.ts'
import { readAgainst } from '../src/retention-clock.ts'

const hour = 3_600_000
const day = 24 * hour
const toleranceMs = 20 * hour
const start = Date.UTC(2026, 10, 1)

describe('the time that retention trusts', () => {
  const trusted = { at: start, seenAt: 1000 }
  it.each([
    ['is the clock, ahead by the tolerance', 20 * hour, 0, { state: 'trusted', now: start + 20 * hour }],
    ['is the clock, behind by the tolerance', -20 * hour, 0, { state: 'trusted', now: start - 20 * hour }],
    ['does not advance under a clock that is further ahead', 20 * hour + 1, 0, { state: 'ahead', now: start }],
    ['goes on with the monotonic clock then', 40 * day, 3 * hour, { state: 'ahead', now: start + 3 * hour }],
    ['follows a clock that is further behind', -40 * day, hour, { state: 'behind', now: start - 40 * day }],
    ['is the clock after a long run', 90 * day, 90 * day, { state: 'trusted', now: start + 90 * day }],
  ])('%s', (_, wallMs, ranMs, expected) => {
    expect(readAgainst(trusted, start + wallMs, 1000 + ranMs, toleranceMs)).toMatchObject(expected)
  })
})

/** A process with a mark that outlives it. */
async function run(clock: ManualClock, stored: { at: number; writes?: number }, trustClock = false) {
  const lines: Record<string, unknown>[] = []
  const log = createLog({ destination: { write: (line) => void lines.push(JSON.parse(line)) } })
  const metricsRegistry = createMetrics()
  const health = createHealth({ clock, log })
  health.setReady(true)
  const retention = createRetentionClock({
    deps: { clock, log, health, metrics: metricsRegistry.forService('job-service') },
    config: { retentionTrustClock: trustClock, retentionClockToleranceMs: toleranceMs },
    marks: {
      read: async () => stored.at,
      async write(_, at) {
        stored.at = at
        stored.writes = (stored.writes ?? 0) + 1
      },
    },
  })
  await retention.open()
  const said = () => lines.map(({ level, msg }) => `${level}: ${String(msg).split(':')[0]}`)
  return { retention, lines, said, health, metricsRegistry }
}

const isAhead = 'warn: the clock is ahead of the trusted time'
const behindWarning = 'warn: the clock is behind the trusted time'
const agrees = 'info: the clock agrees with the trusted time again'

describe('a clock that jumps ahead', () => {
  it('while the process runs stops the deleting until it is back, and is logged once', async () => {
    const clock = createManualClock(start)
    const { retention, lines, said, health, metricsRegistry } = await run(clock, { at: 0 })
    clock.step(40 * day)
    await clock.advance(hour)
    expect([await retention.turn(), await retention.turn()]).toEqual([null, null])
    expect(retention.now()).toBe(start + hour)
    expect(said()).toEqual([isAhead])
    expect(lines[0]).toMatchObject({ clockAt: '2026-12-11T01:00:00.000Z', trustedAt: '2026-11-01T01:00:00.000Z' })
    const note = 'the clock is ahead of the trusted time: nothing is deleted'
    expect(await health.report(true)).toMatchObject({
      ready: true,
      checks: [{ name: 'retention clock', ok: true, note }],
    })
    expect(await metricsRegistry.render()).toContain(
      'belfry_retention_clock_ahead_seconds{service="job-service"} 3456000',
    )
    clock.step(-40 * day)
    expect(await retention.turn()).toBe(start + hour)
    expect(said()).toEqual([isAhead, agrees])
    expect((await health.report(true)).checks[0]).not.toHaveProperty('note')
  })

  it('before a start does the same, and however often the process starts under it', async () => {
    const stored = { at: 0 }
    const clock = createManualClock(start)
    await run(clock, stored)
    clock.step(40 * day)
    for (const _ of [1, 2, 3]) {
      const { retention, said } = await run(clock, stored)
      expect(await retention.turn()).toBeNull()
      expect(said()).toEqual([isAhead])
      await clock.advance(5 * hour)
      expect(await retention.turn()).toBeNull()
    }
    clock.step(-40 * day)
    const { retention, said } = await run(clock, stored)
    expect(await retention.turn()).toBe(start + 15 * hour)
    expect(said()).toEqual([])
  })

  it('is trusted after one start that confirms it', async () => {
    const stored = { at: 0 }
    const clock = createManualClock(start)
    await run(clock, stored)
    clock.step(40 * day)
    const confirmed = await run(clock, stored, true)
    expect(await confirmed.retention.turn()).toBe(start + 40 * day)
    expect(confirmed.said()).toEqual(['warn: the clock is confirmed'])
    const next = await run(clock, stored)
    expect(await next.retention.turn()).toBe(start + 40 * day)
    expect(next.said()).toEqual([])
  })

  it('after a start that confirmed nothing is not trusted by the setting', async () => {
    const clock = createManualClock(start)
    const { retention, said } = await run(clock, { at: 0 }, true)
    clock.step(40 * day)
    expect(await retention.turn()).toBeNull()
    expect(said()).toEqual([isAhead])
  })
})

describe('a clock that is set back', () => {
  it('takes the time by which ages are judged back with it, and is logged once', async () => {
    const clock = createManualClock(start)
    const { retention, said, health } = await run(clock, { at: 0 })
    clock.step(-40 * day)
    expect([await retention.turn(), await retention.turn()]).toEqual([start - 40 * day, start - 40 * day])
    const [check] = (await health.report(true)).checks
    expect(check).toMatchObject({ ok: true, note: 'the clock is behind the trusted time' })
    clock.step(40 * day)
    expect(await retention.turn()).toBe(start)
    expect(said()).toEqual([behindWarning, agrees])
  })
})

describe('the mark', () => {
  it('follows the clock through a laptop night, turn by turn, and is not written more than once a minute', async () => {
    const stored = { at: 0, writes: 0 }
    const clock = createManualClock(start)
    const { retention } = await run(clock, stored)
    for (let night = 1; night <= 10; night++) {
      clock.step(14 * hour)
      await clock.advance(10 * hour)
      for (const _ of [1, 2, 3]) expect(await retention.turn()).toBe(start + night * day)
      expect(stored.at).toBe(start + night * day)
    }
    expect(stored.writes).toBe(11)
  })
})
