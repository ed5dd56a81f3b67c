import { jobExecuteMessage } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newestPerExecution, progressUpdates, triggerCommand } from '../../src/domain/execution.ts'
import { jobOf, minted, monday, statusMessage } from '../fixtures.ts'

describe('the command of a trigger', () => {
  const request = { executionId: `exe-${monday.toString(36)}-${minted(9)}`, plannedAt: monday }

  it('is due at once, at the version of the job', () => {
    const job = jobOf()
    const command = triggerCommand(job, request)
    expect(jobExecuteMessage.parse(command)).toEqual(command)
    expect(command).toMatchObject({ fireAt: monday, plannedAt: monday, version: 1, cause: 'manual', expiresAt: null })
    expect(command.params).toBe(job.spec.params)
  })

  it('begins with the job and its type, as its topic promises', () => {
    expect(Object.keys(triggerCommand(jobOf(), request)).slice(0, 2)).toEqual(['jobId', 'jobType'])
  })

  it('carries params of its own when it has some', () => {
    expect(triggerCommand(jobOf(), { ...request, params: { durationMs: 1 } }).params).toEqual({ durationMs: 1 })
  })
})

describe('the overlap of a trigger', () => {
  const request = { executionId: `exe-${monday.toString(36)}-${minted(9)}`, plannedAt: monday }
  const commandOf = (overlap: 'skip' | 'allow', isOverlapSet: boolean) => {
    const job = jobOf()
    const policy = { ...job.spec.policy, overlap: { policy: overlap, limit: 2 } }
    const spec = { ...job.spec, policy, isOverlapSet }
    return { policy, command: () => triggerCommand({ ...job, spec }, request) }
  }

  it("is the job's where the owner set it", () => {
    const { policy, command } = commandOf('skip', true)
    expect(command().policy).toBe(policy)
  })

  it('is none where it is only the default of a recurring job, and the rest of the policy stays', () => {
    const { policy, command } = commandOf('skip', false)
    expect(command().policy).toEqual({ ...policy, overlap: { policy: 'allow', limit: 1 } })
    // The store keeps the text of this very object.
    expect(command().policy).toBe(command().policy)
    const allowing = commandOf('allow', false)
    expect(allowing.command().policy).toBe(allowing.policy)
  })
})

describe('a batch of job-status messages', () => {
  const messages = fc.array(
    fc.record({
      n: fc.integer({ min: 1, max: 3 }),
      at: fc.integer({ min: 0, max: 3 }),
      seq: fc.integer({ min: 1, max: 9 }),
      state: fc.constantFrom('ready', 'running', 'succeeded', 'failed', 'superseded'),
      cause: fc.constantFrom('schedule', 'manual'),
    }),
  )

  it('is reduced to the newest message of each execution and one progress update of each job, in any order', () => {
    fc.assert(
      fc.property(messages, (wishes) => {
        const batch = wishes.map(({ n, at, seq, state, cause }) => ({
          ...statusMessage({ job: jobOf({ n }), fireAt: monday + at, seq, state }),
          cause,
        }))
        for (const one of newestPerExecution(batch)) {
          const all = batch.filter((other) => other.executionId === one.executionId)
          expect(one.seq).toBe(Math.max(...all.map((other) => other.seq)))
        }
        const updates = progressUpdates(batch)
        expect(new Set(updates.map((one) => one.jobId)).size).toBe(updates.length)
        for (const jobId of [1, 2, 3].map((n) => jobOf({ n }).id)) {
          const ofJob = batch.filter((one) => one.jobId === jobId)
          const ends = ofJob.filter((one) => one.state === 'succeeded' || one.state === 'failed')
          const scheduled = ofJob.filter((one) => one.cause === 'schedule')
          const update = updates.find((one) => one.jobId === jobId)
          expect(update?.ended?.fireAt).toBe(ends.length ? Math.max(...ends.map((one) => one.fireAt)) : undefined)
          const scheduledAt = scheduled.length ? Math.max(...scheduled.map((one) => one.fireAt)) : undefined
          expect(update?.scheduledAt ?? undefined).toBe(scheduledAt)
        }
        expect(newestPerExecution(batch).length).toBe(new Set(batch.map((one) => one.executionId)).size)
      }),
    )
  })
})
