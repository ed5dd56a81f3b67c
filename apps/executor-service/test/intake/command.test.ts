import { describe, expect, it } from 'vitest'
import { newExecution } from '../../src/intake/command.ts'
import { command, start } from '../samples.ts'

describe('a command', () => {
  const arrival = { sentAt: start, admittedAt: start, topic: 'job-execute', partition: null, offset: null }
  const delivery = { arrival, pool: 'io', oldestPlannedAt: 0 } as const

  it('is due at its fire time', () => {
    expect(newExecution(command({ fireAt: start - 5000, plannedAt: start }), delivery).runAt).toBe(start - 5000)
  })

  it('of a backfill is due when it was asked for, so that it goes not before what is due now', () => {
    const asked = command({ cause: 'backfill', fireAt: start - 86_400_000, plannedAt: start })
    expect(newExecution(asked, delivery)).toMatchObject({ runAt: start, fireAt: start - 86_400_000 })
  })
})
