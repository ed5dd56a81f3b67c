import { ConfigError, readConfig } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { standaloneConfig } from '../src/index.ts'

function issuesOf(env: Record<string, string>): string[] {
  try {
    readConfig(standaloneConfig, env)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.issues.map(({ key, detail }) => `${key} ${detail}`)
  }
}

describe('the configuration of a standalone Belfry', () => {
  const read = (env: Record<string, string>) => () => readConfig(standaloneConfig, env)

  it('needs nothing to be set', () => {
    expect(read({})()).toMatchObject({ jobFenceTimeoutMs: 2000, breakerTimeoutMs: 3000 })
  })

  it('keeps the waits for executors and scheduler below the wait of the gateway, and names the keys', () => {
    const message = /BELFRY_JOB_FENCE_TIMEOUT_MS must be below BELFRY_BREAKER_TIMEOUT_MS/
    expect(read({ BELFRY_JOB_FENCE_TIMEOUT_MS: '3000' })).toThrow(message)
    expect(read({ BELFRY_BREAKER_TIMEOUT_MS: '2000' })).toThrow(message)
    expect(read({ BELFRY_JOB_FENCE_TIMEOUT_MS: '3000', BELFRY_BREAKER_TIMEOUT_MS: '3800' })).toThrow(
      /BELFRY_JOB_SCHEDULER_TIMEOUT_MS with the time for a fence must be below BELFRY_BREAKER_TIMEOUT_MS/,
    )
    expect(read({ BELFRY_JOB_FENCE_TIMEOUT_MS: '3000', BELFRY_BREAKER_TIMEOUT_MS: '3801' })).not.toThrow()
  })

  it('gives name lookups no more threads than the resolver has, and one owner not all of them', () => {
    expect(read({ BELFRY_EXECUTOR_LOOKUPS: '9' })).toThrow(
      'BELFRY_EXECUTOR_LOOKUPS must be at most half of BELFRY_THREADS',
    )
    expect(read({ BELFRY_EXECUTOR_OWNER_LOOKUPS: '8' })).toThrow(/OWNER_LOOKUPS must be below BELFRY_EXECUTOR_LOOKUPS/)
    expect(read({ BELFRY_THREADS: '18', BELFRY_EXECUTOR_LOOKUPS: '9' })).not.toThrow()
  })
})

describe('the settings of notifications', () => {
  it('allow private addresses only while the network does not reach Belfry', () => {
    const allowed = { BELFRY_JOB_NOTIFY_ALLOW_PRIVATE: 'true' }
    expect(issuesOf(allowed)).toEqual([])
    expect(issuesOf({ ...allowed, BELFRY_HOST: '0.0.0.0' })[0]).toMatch(
      /^BELFRY_JOB_NOTIFY_ALLOW_PRIVATE must not be true/,
    )
  })

  it('fit each other', () => {
    const issues = issuesOf({ BELFRY_JOB_NOTIFY_LEASE_MS: '15000', BELFRY_JOB_NOTIFY_OWNER_LOOKUPS: '4' })
    expect(issues.map((issue) => issue.split(' ', 1)[0])).toEqual([
      'BELFRY_JOB_NOTIFY_LEASE_MS',
      'BELFRY_JOB_NOTIFY_OWNER_LOOKUPS',
    ])
  })
})

describe('private addresses for HTTP_CALL', () => {
  const allowed = { BELFRY_EXECUTOR_ALLOW_PRIVATE: 'true' }

  it.each(['127.0.0.1', 'localhost', 'LOCALHOST', '::1', '127.0.0.53'])('may be allowed on %s', (host) => {
    expect(issuesOf({ ...allowed, BELFRY_HOST: host })).toEqual([])
  })

  it.each(['0.0.0.0', '::', '192.168.1.4', '10.0.0.4', '2001:db8::1', 'belfry.example', 'localhost.example', 'myhost'])(
    'are refused at the start on %s',
    (host) => {
      const issues = issuesOf({ ...allowed, BELFRY_HOST: host })
      expect(issues).toHaveLength(1)
      expect(issues[0]).toMatch(/^BELFRY_EXECUTOR_ALLOW_PRIVATE must not be true while BELFRY_HOST is /)
      expect(issuesOf({ BELFRY_HOST: host })).toEqual([])
    },
  )

  it.each(['AUTH', 'JOB', 'SCHEDULER', 'EXECUTOR'])(
    'are refused while %s-service is open to the network',
    (service) => {
      expect(issuesOf({ ...allowed, [`BELFRY_${service}_HOST`]: '0.0.0.0' })[0]).toContain(`BELFRY_${service}_HOST`)
    },
  )
})
