import { isRefusal } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { stepTo } from '../../src/domain/asked-state.ts'

describe('the status that a caller asks for', () => {
  it.each([
    ['SCHEDULED', { status: 'PAUSED', state: 'paused' }, 'resume'],
    ['SCHEDULED', { status: 'FAILED', state: 'completed' }, 'run-again'],
    ['SCHEDULED', { status: 'FAILED', state: 'active' }, 'run-again'],
    ['SCHEDULED', { status: 'LOST', state: 'completed' }, 'run-again'],
    ['SCHEDULED', { status: 'SCHEDULED', state: 'active' }, 'none'],
    ['SCHEDULED', { status: 'CREATED', state: 'active' }, 'none'],
    ['SCHEDULED', { status: 'RUNNING', state: 'active' }, 'none'],
    ['SCHEDULED', { status: 'SUCCESS', state: 'active' }, 'none'],
    ['PAUSED', { status: 'SCHEDULED', state: 'active' }, 'pause'],
    ['PAUSED', { status: 'PAUSED', state: 'paused' }, 'pause'],
    ['CANCELLED', { status: 'RUNNING', state: 'active' }, 'cancel'],
    ['CANCELLED', { status: 'CANCELLED', state: 'cancelled' }, 'cancel'],
  ] as const)('%s of a job that is %o: %s', (asked, job, step) => {
    expect(stepTo(asked, job)).toBe(step)
  })

  it.each([
    ['RUNNING', { status: 'SCHEDULED', state: 'active' }, ['SCHEDULED', 'PAUSED', 'CANCELLED']],
    ['SUCCESS', { status: 'RUNNING', state: 'active' }, ['SCHEDULED', 'PAUSED', 'CANCELLED']],
    ['FAILED', { status: 'CANCELLED', state: 'cancelled' }, ['CANCELLED']],
    ['SCHEDULED', { status: 'CANCELLED', state: 'cancelled' }, ['CANCELLED']],
    ['SCHEDULED', { status: 'SUCCESS', state: 'completed' }, ['PAUSED', 'CANCELLED']],
  ] as const)('%s of a job that is %o is refused with what is allowed', (asked, job, allowed) => {
    const refused = stepTo(asked, job)
    expect(isRefusal(refused) && [refused.code, refused.allowed]).toEqual(['illegal-transition', allowed])
  })
})
