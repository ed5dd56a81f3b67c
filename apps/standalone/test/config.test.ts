import { ConfigError, readConfig } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { standaloneConfig } from '../src/index.ts'

function faultsOf(env: Record<string, string>): string[] {
  try {
    readConfig(standaloneConfig, env)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map(({ key, detail }) => `${key} ${detail}`)
  }
}

describe('private addresses for HTTP_CALL', () => {
  const allowed = { BELFRY_EXECUTOR_ALLOW_PRIVATE: 'true' }

  it.each(['127.0.0.1', 'localhost', 'LOCALHOST', '::1', '127.0.0.53'])('may be allowed on %s', (host) => {
    expect(faultsOf({ ...allowed, BELFRY_HOST: host })).toEqual([])
  })

  it.each(['0.0.0.0', '::', '192.168.1.4', '10.0.0.4', '2001:db8::1', 'belfry.example', 'localhost.example', 'myhost'])(
    'are refused at the start on %s',
    (host) => {
      const faults = faultsOf({ ...allowed, BELFRY_HOST: host })
      expect(faults).toHaveLength(1)
      expect(faults[0]).toMatch(/^BELFRY_EXECUTOR_ALLOW_PRIVATE must not be true while BELFRY_HOST is /)
      expect(faultsOf({ BELFRY_HOST: host })).toEqual([])
    },
  )

  it.each(['AUTH', 'JOB', 'SCHEDULER', 'EXECUTOR'])(
    'are refused while %s-service is open to the network',
    (service) => {
      expect(faultsOf({ ...allowed, [`BELFRY_${service}_HOST`]: '0.0.0.0' })[0]).toContain(`BELFRY_${service}_HOST`)
    },
  )
})
