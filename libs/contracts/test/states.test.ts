import { describe, expect, it } from 'vitest'
import {
  type ExecutionState,
  type ExecutionStatus,
  executionStates,
  executionStatuses,
  executionStatusOf,
  isAtRest,
  isEnded,
  isFinal,
  jobStatuses,
} from '../src/index.ts'

const waits = { startedAt: null }
const started = { startedAt: 1 }
const shown: [ExecutionState, number, ExecutionStatus, boolean, { startedAt: number | null }?][] = [
  ['ready', 0, 'SCHEDULED', false],
  ['ready', 1, 'RETRYING', false],
  ['ready', 0, 'SCHEDULED', false, started],
  ['running', 0, 'RUNNING', false, started],
  ['running', 2, 'RUNNING', false, started],
  ['running', 0, 'SCHEDULED', false, waits],
  ['running', 2, 'RETRYING', false, waits],
  ['succeeded', 0, 'SUCCESS', true],
  ['succeeded', 3, 'SUCCESS', true],
  ['failed', 4, 'FAILED', true],
  ['cancelled', 0, 'CANCELLED', true],
  ['superseded', 0, 'SUPERSEDED', true],
  ['skipped', 0, 'SKIPPED', true],
  ['expired', 0, 'EXPIRED', true],
  ['lost', 0, 'LOST', true],
]

describe('the state of an execution', () => {
  it.each(shown)('%s after %d failures is shown as %s (%s %o)', (state, failures, status, ended, newest) => {
    expect(executionStatusOf({ state, failures, attempts: newest ? [newest] : [] })).toBe(status)
    expect(isEnded(state)).toBe(ended)
  })

  it('has a word for every state, and a state for every word', () => {
    expect(new Set(shown.map(([state]) => state))).toEqual(new Set(executionStates))
    expect(new Set(shown.map(([, , status]) => status))).toEqual(new Set(executionStatuses))
  })

  it('gives its words to the job, which has three of its own', () => {
    expect(new Set(jobStatuses)).toEqual(new Set([...executionStatuses, 'CREATED', 'PAUSED', 'COMPLETED']))
  })
})

describe('an execution that has ended', () => {
  it.each(executionStates)('is at rest or final, never both: %s', (state) => {
    for (const cancelRequested of [false, true]) {
      const [rests, final] = [isAtRest({ state, cancelRequested }), isFinal({ state, cancelRequested })]
      expect(rests && final).toBe(false)
      expect(rests || final).toBe(isEnded(state))
    }
  })

  it('rests when a floor closed it, and not when it was cancelled by name', () => {
    expect(isAtRest({ state: 'superseded', cancelRequested: false })).toBe(true)
    expect(isAtRest({ state: 'cancelled', cancelRequested: false })).toBe(true)
    expect(isFinal({ state: 'cancelled', cancelRequested: true })).toBe(true)
    expect(isFinal({ state: 'failed', cancelRequested: false })).toBe(true)
  })
})
