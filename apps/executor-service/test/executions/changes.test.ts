import { describe, expect, it } from 'vitest'
import { createExecutionChanges, hasEnded, isRetried } from '../../src/executions/changes.ts'
import { execution, sampleRowId } from '../samples.ts'

describe('changes of executions', () => {
  it('reach each listener at once, in the order of subscription, and none when there is no change', () => {
    const changes = createExecutionChanges()
    const seen: string[] = []
    for (const name of ['relay', 'metrics'])
      changes.subscribe((stored, step) => seen.push(`${name} ${step} ${stored.length}`))
    changes.publish([{ rowId: sampleRowId(), execution: execution(), size: 1 }], 'insert')
    changes.publish([], 'close')
    expect(seen).toEqual(['relay insert 1', 'metrics insert 1'])
  })

  it('end an execution once, though a take-back changes it after its end', () => {
    const ended = execution({ state: 'lost', endedAt: 1 })
    expect([hasEnded(ended, 'lose'), hasEnded(ended, 'take-back'), hasEnded(execution(), 'insert')]).toEqual([
      true,
      false,
      false,
    ])
  })

  it('lead to a retry after a failure, and not after an interruption', () => {
    const after = (outcome: 'failed' | 'interrupted') =>
      execution({ attempts: [{ epoch: 1, executor: 'one', startedAt: 1, endedAt: 2, outcome, error: null }] })
    expect([isRetried(after('failed'), 'finish'), isRetried(after('interrupted'), 'finish')]).toEqual([true, false])
    expect(isRetried(after('failed'), 'hand-back')).toBe(false)
  })
})
