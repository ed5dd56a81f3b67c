import { describe, expect, it } from 'vitest'
import { createManualClock } from '../src/index.ts'

describe('the manual clock', () => {
  it('stands still until it is turned, and stops at each call', async () => {
    const clock = createManualClock(1_000)
    const calls: string[] = []
    clock.callAt(1_030, () => calls.push(`at ${clock.now()}`))
    clock.callAfter(10, () => calls.push(`after ${clock.monotonic()}`))
    await clock.advance(9)
    expect(calls).toEqual([])
    await clock.advance(100)
    expect(calls).toEqual(['after 10', 'at 1030'])
    expect(clock.now()).toBe(1_109)
    expect(clock.monotonic()).toBe(109)
  })

  it('calls what is due together in the order of asking, whichever clock was asked', async () => {
    const clock = createManualClock(0)
    const calls: number[] = []
    clock.callAt(5, () => calls.push(1))
    clock.callAfter(5, () => calls.push(2))
    clock.callAt(5, () => calls.push(3))
    await clock.advance(5)
    expect(calls).toEqual([1, 2, 3])
  })

  it('completes the work of a call before the next one, and runs the calls that it added', async () => {
    const clock = createManualClock(0)
    const steps: string[] = []
    clock.callAfter(1, async () => {
      steps.push('first')
      await new Promise((resolve) => setImmediate(resolve)).then(() => undefined)
      clock.callAfter(1, () => steps.push(`asked for at 1, called at ${clock.monotonic()}`))
    })
    clock.callAfter(7, () => steps.push('last'))
    await clock.advance(7)
    expect(steps).toEqual(['first', 'asked for at 1, called at 2', 'last'])
    expect(clock.pending()).toBe(0)
  })

  it('can set the wall clock apart from the time that passes', async () => {
    const clock = createManualClock(1_000)
    const calls: string[] = []
    clock.callAt(2_000, () => calls.push('wall'))
    clock.callAfter(500, () => calls.push('wait'))
    clock.step(5_000)
    expect(calls).toEqual([])
    await clock.advance(1)
    expect(calls).toEqual(['wall'])
    clock.step(-6_000)
    await clock.advance(499)
    expect(calls).toEqual(['wall', 'wait'])
    expect(clock.now()).toBe(500)
  })

  it('calls at a fraction of a millisecond once `now` has reached it', async () => {
    const clock = createManualClock(1_000)
    const seen: number[] = []
    clock.callAt(1_000.25, () => seen.push(clock.now()))
    await clock.advance(2)
    expect(seen).toEqual([1_001])
  })

  it('makes progress for a caller that waits for a rest which rounding left over', async () => {
    const clock = createManualClock(0)
    await clock.advance(10_000_000)
    const rest = clock.monotonic() + 1e-8
    let calls = 0
    const again = () => {
      calls += 1
      if (calls < 100 && clock.monotonic() < rest) clock.callAfter(1e-12, again)
    }
    again()
    await clock.advance(1)
    expect(calls).toBe(2)
  })

  it('hands on what a call throws', async () => {
    const clock = createManualClock()
    clock.callAfter(1, () => {
      throw new Error('bad')
    })
    await expect(clock.advance(1)).rejects.toThrow('bad')
  })
})
