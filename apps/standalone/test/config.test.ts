import { readConfig } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { standaloneConfig } from '../src/config.ts'

describe('the configuration of a standalone Belfry', () => {
  const read = (env: Record<string, string>) => () => readConfig(standaloneConfig, env)

  it('needs nothing to be set', () => {
    expect(read({})()).toMatchObject({ jobFenceTimeoutMs: 2000, breakerTimeoutMs: 3000 })
  })

  it('keeps the wait for the executors below the wait of the gateway, and names both keys', () => {
    const message = /BELFRY_JOB_FENCE_TIMEOUT_MS must be below BELFRY_BREAKER_TIMEOUT_MS/
    expect(read({ BELFRY_JOB_FENCE_TIMEOUT_MS: '3000' })).toThrow(message)
    expect(read({ BELFRY_BREAKER_TIMEOUT_MS: '2000' })).toThrow(message)
    expect(read({ BELFRY_JOB_FENCE_TIMEOUT_MS: '3000', BELFRY_BREAKER_TIMEOUT_MS: '3001' })).not.toThrow()
  })

  it('gives name lookups no more threads than the resolver has, and one owner not all of them', () => {
    expect(read({ BELFRY_EXECUTOR_LOOKUPS: '9' })).toThrow(
      'BELFRY_EXECUTOR_LOOKUPS must be at most half of BELFRY_THREADS',
    )
    expect(read({ BELFRY_EXECUTOR_OWNER_LOOKUPS: '8' })).toThrow(/OWNER_LOOKUPS must be below BELFRY_EXECUTOR_LOOKUPS/)
    expect(read({ BELFRY_THREADS: '18', BELFRY_EXECUTOR_LOOKUPS: '9' })).not.toThrow()
  })
})
