import { createLog, createManualClock } from '@belfry/service'
import { fatal } from '@belfry/worker'
import { describe, expect, it } from 'vitest'
import { createExecutionLog } from '../../src/executions/execution-log.ts'
import { command, execution, executionId, jobId, policy, sampleRowId, start } from '../samples.ts'
import { openWorld } from '../world.ts'

const once = policy({ retry: { ...policy().retry, maxRetries: 0 } })

describe("the server's log", () => {
  it('has one warning for each execution that fails, with its job, its owner and its error', async () => {
    const world = await openWorld({
      logLevel: 'info',
      run: ({ params }) => {
        if (params.fail) throw fatal('no-luck', `It did not work. ${'x'.repeat(2000)}`)
      },
    })
    await world.command(
      command({ executionId: executionId(1), fireAt: start, params: { fail: true } }),
      command({
        executionId: executionId(2),
        fireAt: start,
        params: { fail: true },
        jobId: jobId(2),
        ownerId: 'usr-2',
      }),
      command({ executionId: executionId(3), fireAt: start }),
    )
    await world.pass(50)
    const warnings = world.logged().filter((line) => line.executionId !== undefined)
    expect(warnings).toEqual([
      expect.objectContaining({ level: 'warn', executionId: executionId(1), jobId: jobId(1), ownerId: 'usr-1' }),
      expect.objectContaining({ level: 'warn', executionId: executionId(2), jobId: jobId(2), ownerId: 'usr-2' }),
    ])
    expect(warnings[0]).toMatchObject({ jobType: 'TEST', attempt: 1, msg: 'execution ended FAILED' })
    expect(warnings[0]?.error).toMatchObject({
      code: 'no-luck',
      message: expect.stringMatching(/^It did not work\. x+/),
    })
    expect(JSON.stringify(warnings[0]).length).toBeLessThan(1000)
  })

  it('warns once, when no retry is left', async () => {
    const world = await openWorld({
      logLevel: 'info',
      run: () => {
        throw new Error('down')
      },
    })
    await world.command(
      command({ fireAt: start, policy: policy({ retry: { ...policy().retry, maxRetries: 2, delayMs: 10 } }) }),
    )
    await world.pass(100)
    expect(world.calls).toHaveLength(3)
    expect(world.logged().filter((line) => line.executionId === executionId())).toEqual([
      expect.objectContaining({ attempt: 3, error: { code: 'handler-error', message: 'down' } }),
    ])
  })

  it('warns of executions that expire, and of those that are lost', async () => {
    const lines: Record<string, unknown>[] = []
    const log = createLog({ destination: { write: (line: string) => void lines.push(JSON.parse(line)) } })
    const executionLog = createExecutionLog({
      log,
      clock: createManualClock(start),
      warningsPerSecond: 1000,
      warningBacklog: 0,
    })
    for (const state of ['lost', 'expired', 'succeeded', 'skipped', 'cancelled', 'superseded'] as const) {
      executionLog.changed(
        [{ rowId: sampleRowId(), execution: execution({ state, endedAt: start }), size: 1 }],
        'finish',
      )
    }
    expect(lines.map(({ msg, error }) => [msg, (error as { code: string }).code])).toEqual([
      ['execution ended LOST', 'lost'],
      ['execution ended EXPIRED', 'expired'],
    ])
  })

  it('warns of an execution that came too late to start', async () => {
    const world = await openWorld({ logLevel: 'info' })
    await world.command(command({ fireAt: start, plannedAt: start - 31 * 86_400_000 }))
    expect(world.logged().filter((line) => line.level === 'warn')).toEqual([
      expect.objectContaining({ executionId: executionId(), msg: 'execution ended EXPIRED' }),
    ])
  })

  it('writes a flood of warnings bit by bit, one for each, and counts what is too much', async () => {
    const fails = () => {
      throw fatal('no-luck', 'no')
    }
    // Five lines in each slice of 50 ms, and ten more may wait.
    const config = { executorWarningsPerSecond: 100, executorWarningBacklog: 10 }
    const world = await openWorld({ logLevel: 'info', run: fails, config })
    const commands = (first: number, count: number) =>
      Array.from({ length: count }, (_, n) =>
        command({ executionId: executionId(first + n), fireAt: start, policy: once }),
      )
    const warnings = () => world.logged().filter((line) => line.level === 'warn')
    await world.command(...commands(1, 20))
    await world.pass(10)
    expect(warnings()).toHaveLength(5)
    await world.pass(50)
    expect(warnings()).toHaveLength(10)
    await world.pass(200)
    expect(warnings()).toHaveLength(16)
    expect(new Set(warnings().map((line) => line.executionId)).size).toBe(16)
    expect(warnings().at(-1)).toMatchObject({ executions: 5 })
    await world.command(...commands(21, 8))
    await world.pass(10)
    expect(warnings()).toHaveLength(16 + 5)
    await world.stop()
    expect(warnings()).toHaveLength(16 + 8)
  })

  it('has one line for each step of an execution at debug, and none otherwise', async () => {
    const hopsOf = async (logLevel: 'debug' | 'info') => {
      const world = await openWorld({ logLevel })
      await world.command(command({ fireAt: start + 100 }))
      await world.pass(200)
      const lines = world.logged().filter((line) => line.executionId === executionId())
      for (const line of lines) expect(line).toMatchObject({ level: 'debug', jobId: jobId() })
      return lines.map((line) => line.msg)
    }
    expect(await hopsOf('debug')).toEqual([
      'execution admitted',
      'execution claimed',
      'execution started',
      'execution ended',
    ])
    expect(await hopsOf('info')).toEqual([])
  })
})
