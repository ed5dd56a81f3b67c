import { describe, expect, it } from 'vitest'
import { addedSize, heldSize, memorySize, messageSize, paramsSize, type TopicValues } from '../src/index.ts'

type Command = TopicValues['job-execute']

const command = (params: Record<string, unknown>): Command => ({
  jobId: 'job-1',
  jobType: 'DUMMY',
  executionId: 'exe-1',
  version: 1,
  cause: 'schedule',
  fireAt: 0,
  params,
  policy: {
    retry: { maxRetries: 3, backoff: 'fixed', delayMs: 1, factor: 1, maxDelayMs: 1, jitter: false },
    overlap: { policy: 'allow', limit: 1 },
    timeoutMs: 1000,
    onLostLease: 'rerun',
  },
  priority: 5,
  expiresAt: null,
  ownerId: 'usr-1',
  plannedAt: 0,
})
const message = (params: Record<string, unknown>) => ({ value: command(params) })

describe('the size of a value', () => {
  it('is that of its texts, and of what holds them', () => {
    expect(memorySize('x'.repeat(1000))).toBe(1016)
    expect(memorySize({ text: 'x'.repeat(1000) })).toBeGreaterThan(1016)
    expect(memorySize([1, 2, 3])).toBe(memorySize([1, 2]) + 8)
    expect(memorySize(null)).toBe(8)
  })

  it('is several times the JSON of many small values', () => {
    const value = Array.from({ length: 1000 }, () => [])
    expect(memorySize(value)).toBeGreaterThan(5 * JSON.stringify(value).length)
  })

  it('is the same for params that were measured before', () => {
    const params = { text: 'x'.repeat(5000) }
    expect(paramsSize(params)).toBe(memorySize(params))
    expect(paramsSize(params)).toBe(memorySize(params))
  })
})

describe('the size of messages', () => {
  const large = { text: 'x'.repeat(100_000) }

  it('grows with what they carry', () => {
    expect(messageSize('job-execute', command({}))).toBeLessThan(2000)
    expect(messageSize('job-execute', command(large))).toBeGreaterThan(100_000)
    const poison = { kind: 'poison', topic: 'x', partition: 0, offset: '', reason: '', raw: 'x'.repeat(9000) } as const
    expect(messageSize('job-dead-letter', poison)).toBeGreaterThan(9000)
  })

  it('counts params once that the commands of a job share', () => {
    const shared = Array.from({ length: 64 }, () => message(large))
    expect(heldSize('job-execute', shared)).toBeLessThan(200_000)
    const copies = Array.from({ length: 64 }, () => message({ ...large }))
    expect(heldSize('job-execute', copies)).toBeGreaterThan(64 * 100_000)
    expect(addedSize('job-execute', command(large), command(large))).toBe(
      addedSize('job-execute', command({}), undefined) - memorySize({}),
    )
  })
})
