import { createManualClock } from '@belfry/service'
import { createTestDeps } from '@belfry/testkit'
import { describe, expect, it } from 'vitest'
import { createAttempt } from '../../src/attempts/attempt.ts'
import { createAttemptOutput } from '../../src/attempts/output.ts'
import type { Stores } from '../../src/store/ports.ts'
import { command, executionId, runningExecution, sampleRowId, start } from '../samples.ts'
import { openWorld } from '../world.ts'

const iteration = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('log lines in a store that takes longer than the time between two flushes', () => {
  it('do not keep other attempts from their ends', async () => {
    const clock = createManualClock(start)
    let isSlow = true
    const wrapStores = (stores: Stores): Stores => ({
      ...stores,
      logs: {
        ...stores.logs,
        async append(chunks) {
          if (isSlow) await new Promise<void>((resolve) => clock.callAfter(80, resolve))
          return stores.logs.append(chunks)
        },
      },
    })
    const world = await openWorld({
      clock,
      wrapStores,
      config: { executorLogFlushMs: 50 },
      async run({ params, context }) {
        for (let n = 0; n < Number(params.lines); n++) {
          context.log('info', `line ${n}`)
          await new Promise<void>((resolve) => context.clock.callAfter(10, resolve))
        }
      },
    })
    /** A call of the store waits for the clock, so the test cannot wait for the store. */
    const advance = async (ms: number) => {
      for (let left = ms; left > 0; left -= 10) {
        await clock.advance(10)
        for (let n = 0; n < 4; n++) await iteration()
      }
    }
    const published = world.command(
      command({ executionId: executionId(1), fireAt: start, params: { lines: 100 } }),
      command({ executionId: executionId(2), fireAt: start, params: { lines: 10 } }),
    )
    await advance(500)
    expect(await world.read(executionId(1))).toMatchObject({ state: 'running' })
    expect(await world.read(executionId(2))).toMatchObject({ state: 'succeeded' })
    isSlow = false
    await advance(700)
    await published
    expect(await world.read(executionId(1))).toMatchObject({ state: 'succeeded' })
    for (const [number, lines] of [
      [1, 100],
      [2, 10],
    ] as const) {
      const { data } = (await world.get(`/executions/${executionId(number)}/logs?limit=200`)).json()
      expect(data.map((one: { text: string }) => one.text)).toEqual(
        Array.from({ length: lines }, (_, n) => `line ${n}`),
      )
    }
  })
})

describe('the output of attempts that is stopped while a flush is under way', () => {
  it('sets no further timer when the flush fails', async () => {
    const clock = createManualClock(start)
    const { log } = createTestDeps({ clock, logLevel: 'silent', seed: 1 }).depsOf('executor-service')
    const answer = Promise.withResolvers<void>()
    const limits = { log: { lines: 10, bytes: 1000, lineBytes: 100 }, artifacts: 1, artifactBytes: 1 }
    const stores = { logs: { append: () => answer.promise } } as unknown as Stores
    const output = createAttemptOutput({ stores, clock, log, limits, flushMs: 50 })
    const attempt = createAttempt({ rowId: sampleRowId(), execution: runningExecution(), size: 1 }, undefined)
    output.addLine(attempt, 'info', 'at work')
    await clock.advance(50)
    const stopped = output.stop()
    answer.reject(new Error('the store is closed'))
    await stopped
    expect(clock.pending()).toBe(0)
  })
})
