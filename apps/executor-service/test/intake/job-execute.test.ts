import type { IncomingMessage } from '@belfry/bus'
import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { createTestDeps } from '@belfry/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Claimer } from '../../src/dispatch/claimer.ts'
import { createRoom } from '../../src/dispatch/room.ts'
import { createExecutionChanges } from '../../src/executions/changes.ts'
import { executionSize } from '../../src/executions/execution.ts'
import { claim } from '../../src/executions/transitions.ts'
import { createIntake } from '../../src/intake/job-execute.ts'
import { createExecutorMetrics } from '../../src/metrics.ts'
import type { Stored } from '../../src/store/ports.ts'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { command, executionId, start } from '../samples.ts'

describe('a batch of commands', () => {
  it('that fails after it is stored leaves no claim without its attempt', async () => {
    const clock = createManualClock(start)
    const db = await openMemoryDatabase(migrations)
    onTestFinished(() => db.close())
    const { log, metrics } = createTestDeps({ clock, logLevel: 'silent', seed: 1 }).depsOf('executor-service')
    const changes = createExecutionChanges()
    changes.subscribe(() => {
      throw new Error('a listener fails')
    })
    const limits = { io: 10, cpu: 10 }
    const room = createRoom({ clock, limits, ahead: 0, heldSize: 1e6, ownerShare: 1, hasFreeSlot: () => false })
    const adopted: Stored[] = []
    const claimer: Pick<Claimer, 'claimUnstored' | 'releaseUnstored' | 'adopt'> = {
      claimUnstored(execution) {
        if (execution.runAt > clock.now()) return null
        room.take(execution, executionSize(execution))
        return claim(execution, { owner: 'me' }) as typeof execution
      },
      releaseUnstored: (execution) => room.release(execution, executionSize(execution)),
      adopt: (stored) => void adopted.push(...stored),
    }
    const intake = createIntake({
      executions: createSqliteStores(db, clock).executions,
      changes,
      clock,
      log,
      metrics: createExecutorMetrics(metrics, new Map()),
      claimer: claimer as Claimer,
      room,
      handlers: new Map(),
      oldestPlannedAt: () => 0,
      roomWaitMs: 0,
      roomWaitMostMs: 0,
    })
    const commands = [command({ fireAt: start }), command({ executionId: executionId(2), fireAt: start + 9999 })]
    const messages = commands.map((value) => ({ value, envelope: { time: start }, partition: null, offset: null }))
    await expect(intake(messages as unknown as IncomingMessage<'job-execute'>[])).rejects.toThrow('a listener fails')
    expect(adopted.map(({ execution }) => execution.id)).toEqual([executionId()])
    expect(room.view('io').claimed).toBe(adopted.length)
  })
})
