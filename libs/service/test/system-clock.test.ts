import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSystemClock } from '../src/index.ts'

const run = promisify(execFile)

describe('the clock of the machine', () => {
  it('calls back in order of time, never before the wall clock shows it', async () => {
    const clock = createSystemClock()
    const startAt = clock.now()
    const offsets = Array.from({ length: 60 }, (_, i) => (i * 37) % 90)
    const calls: { at: number; calledAt: number }[] = []
    await new Promise<void>((done) => {
      for (const offset of offsets) {
        clock.callAt(startAt + offset, () => {
          calls.push({ at: startAt + offset, calledAt: Date.now() })
          if (calls.length === offsets.length) done()
        })
      }
    })
    for (const { at, calledAt } of calls) expect(calledAt).toBeGreaterThanOrEqual(at)
    expect(calls.map((call) => call.at)).toEqual(offsets.map((one) => startAt + one).sort((a, b) => a - b))
  })

  it('waits at least as long as it was asked to', async () => {
    const clock = createSystemClock()
    for (const delayMs of [0, 0.4, 1, 1.7, 5, 12.3]) {
      const from = clock.monotonic()
      await new Promise<void>((done) => clock.callAfter(delayMs, done))
      expect(clock.monotonic() - from).toBeGreaterThanOrEqual(delayMs)
    }
  })

  it('calls nothing back inside the call that asks for it, not even what is past', async () => {
    const clock = createSystemClock()
    const calls: string[] = []
    // The two clocks have an order each, and none between them: both are waited for.
    const called = (name: string, ask: (callback: () => void) => unknown) =>
      new Promise<void>((done) => {
        ask(() => {
          calls.push(name)
          done()
        })
      })
    const past = called('past', (callback) => clock.callAt(0, callback))
    const now = called('now', (callback) => clock.callAfter(0, callback))
    calls.push('asked')
    await Promise.all([past, now])
    expect(calls[0]).toBe('asked')
    expect(calls.toSorted()).toEqual(['asked', 'now', 'past'])
  })

  it('lets the loop turn while hundreds of calls are due', async () => {
    const clock = createSystemClock()
    let called = 0
    let calledWhenOthersRan = 0
    await new Promise<void>((done) => {
      for (let i = 0; i < 500; i++) {
        clock.callAt(0, () => {
          called += 1
          if (called === 1) setImmediate(() => setImmediate(() => (calledWhenOthersRan = called)))
          if (called === 500) done()
        })
      }
    })
    expect(calledWhenOthersRan).toBeGreaterThan(0)
    expect(calledWhenOthersRan).toBeLessThan(500)
  })

  it('forgets what is cancelled, also from inside another call', async () => {
    const clock = createSystemClock()
    const calls: string[] = []
    await new Promise<void>((done) => {
      const at = clock.now() + 3
      clock.callAt(at, () => second.cancel())
      const second = clock.callAt(at, () => calls.push('second'))
      clock.callAfter(1, () => calls.push('third')).cancel()
      clock.callAt(at, done)
    })
    expect(calls).toEqual([])
  })

  it('refuses a time that is none', () => {
    const clock = createSystemClock()
    expect(() => clock.callAt(Number.NaN, () => undefined)).toThrow(RangeError)
    expect(() => clock.callAfter(Number.NaN, () => undefined)).toThrow(RangeError)
  })

  it('goes on after a call that throws, and lets the process end when no timer is pending', async () => {
    const program = `
      import { createSystemClock } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).pathname)}
      process.on('uncaughtException', (error) => console.log('caught', error.message))
      const clock = createSystemClock()
      clock.callAt(Date.now() + 3_000_000_000, () => console.log('early')).cancel()
      clock.callAfter(3_000_000_000, () => console.log('early')).cancel()
      clock.callAfter(1, () => { throw new Error('bad') })
      clock.callAfter(1, () => console.log('next'))`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program])
    expect(stdout.trim().split('\n')).toEqual(['caught bad', 'next'])
  })
})
