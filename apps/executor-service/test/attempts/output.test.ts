import { createManualClock } from '@belfry/service'
import { createTestDeps } from '@belfry/testkit'
import { describe, expect, it } from 'vitest'
import { createAttempt } from '../../src/attempts/attempt.ts'
import { createAttemptOutput } from '../../src/attempts/output.ts'
import type { LogChunk, Stores } from '../../src/store/ports.ts'
import { runningExecution, sampleRowId, start } from '../samples.ts'

/** The output of attempts, whose lines are stored by `append`. */
function openOutput(append: (chunks: readonly LogChunk[]) => Promise<void>) {
  const clock = createManualClock(start)
  const { log } = createTestDeps({ clock, logLevel: 'silent', seed: 1 }).depsOf('executor-service')
  const limits = { log: { lines: 1000, bytes: 1e6, lineBytes: 100 }, artifacts: 1, artifactBytes: 1 }
  const stores = { logs: { append } } as unknown as Stores
  const attempt = (number: number) =>
    createAttempt({ rowId: sampleRowId(number), execution: runningExecution(), size: 1 }, undefined)
  return { clock, attempt, output: createAttemptOutput({ stores, clock, log, limits, flushMs: 50 }) }
}

describe('log lines in a store that takes longer than the time between two flushes', () => {
  it('do not keep other attempts from their ends', async () => {
    const stored = new Map<unknown, string[]>()
    let calls = 0
    const { clock, attempt, output } = openOutput(async (chunks) => {
      calls += 1
      await new Promise<void>((resolve) => clock.callAfter(80, resolve))
      // The second call fails; its lines come again, in their order.
      if (calls === 2) throw new Error('the store is away')
      for (const { rowId, lines } of chunks)
        stored.set(rowId, [...(stored.get(rowId) ?? []), ...lines.map(({ text }) => text)])
    })
    const [talking, ending] = [attempt(1), attempt(2)]
    let endedAfter: number | null = null
    for (let ms = 0; ms < 1000; ms += 10) {
      output.addLine(talking, 'info', `line ${ms}`)
      if (ms < 100) output.addLine(ending, 'info', `line ${ms}`)
      if (ms === 100) {
        ending.phase = 'ended'
        void output.store([ending]).then(() => {
          endedAfter = clock.monotonic() - 100
        })
      }
      await clock.advance(10)
    }
    // The flush that was under way, and its own call.
    expect(endedAfter).toBeLessThanOrEqual(2 * 80)
    talking.phase = 'ended'
    const last = output.store([talking])
    await clock.advance(200)
    await last
    const lines = (count: number) => Array.from({ length: count }, (_, n) => `line ${10 * n}`)
    expect(stored.get(talking.rowId)).toEqual(lines(100))
    expect(stored.get(ending.rowId)).toEqual(lines(10))
  })
})

describe('the output of attempts that is stopped while a flush is under way', () => {
  it('sets no further timer when the flush fails', async () => {
    const answer = Promise.withResolvers<void>()
    const { clock, attempt, output } = openOutput(() => answer.promise)
    output.addLine(attempt(1), 'info', 'at work')
    await clock.advance(50)
    const stopped = output.stop()
    answer.reject(new Error('the store is closed'))
    await stopped
    expect(clock.pending()).toBe(0)
  })
})
