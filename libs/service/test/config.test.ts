import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ConfigError, configKey, createCrashPoints, nearestName, readConfig } from '../src/index.ts'

const schema = z.object({
  port: z.coerce.number().int().min(0).max(65_535).default(8080),
  executorLeaseMs: z.coerce.number().int().default(2000),
  allowPrivate: z.stringbool().default(false),
  serviceKey: z.string().min(32),
})
const key = 'k'.repeat(32)

function issuesOf(env: NodeJS.ProcessEnv, known: string[] = []) {
  try {
    readConfig(schema, env, { known })
  } catch (error) {
    if (error instanceof ConfigError) return error
  }
  throw new Error('was accepted')
}

describe('the configuration', () => {
  it('is read from BELFRY_ variables, typed, with defaults', () => {
    const env = { BELFRY_PORT: '9000', BELFRY_ALLOW_PRIVATE: 'true', BELFRY_SERVICE_KEY: key, HOME: '/home' }
    expect(readConfig(schema, env)).toEqual({ port: 9000, executorLeaseMs: 2000, allowPrivate: true, serviceKey: key })
  })

  it('takes an empty variable for one that is not set', () => {
    expect(readConfig(schema, { BELFRY_PORT: '', BELFRY_SERVICE_KEY: key }).port).toBe(8080)
  })

  it('names every issue at once, unknown keys with the nearest known one', () => {
    const error = issuesOf({ BELFRY_PORT: 'eighty', BELFRY_EXECUTER_LEASE_MS: '1', BELFRY_ALLOW_PRIVATE: 'perhaps' })
    expect(error.issues.map((issue) => issue.key).toSorted()).toEqual([
      'BELFRY_ALLOW_PRIVATE',
      'BELFRY_EXECUTER_LEASE_MS',
      'BELFRY_PORT',
      'BELFRY_SERVICE_KEY',
    ])
    expect(error.message).toContain('BELFRY_EXECUTER_LEASE_MS is unknown; did you mean BELFRY_EXECUTOR_LEASE_MS?')
    expect(error.message).toContain('BELFRY_SERVICE_KEY is required')
    expect(error.message).not.toContain('undefined')
  })

  it('says in words which numbers are taken', () => {
    const said = (value: string) => issuesOf({ BELFRY_PORT: value, BELFRY_SERVICE_KEY: key }).message
    expect(said('eighty')).toContain('BELFRY_PORT must be a number')
    expect(said('80.5')).toContain('BELFRY_PORT must be a whole number')
    expect(said('99999')).toContain('BELFRY_PORT must be at most 65535')
    expect(said('-1')).toContain('BELFRY_PORT must be at least 0')
  })

  it('says of a bound that is not taken itself that a number must be above or below it', () => {
    const share = z.object({ share: z.coerce.number().gt(0).lt(1) })
    expect(() => readConfig(share, { BELFRY_SHARE: '0' })).toThrow('BELFRY_SHARE must be above 0')
    expect(() => readConfig(share, { BELFRY_SHARE: '1' })).toThrow('BELFRY_SHARE must be below 1')
  })

  it('knows the keys of tests and proofs, and those it is given', () => {
    const env = { BELFRY_SERVICE_KEY: key, BELFRY_TEST_X: '1', BELFRY_PEERS_KAFKA: 'x', BELFRY_REQUIRE_PEERS: '1' }
    expect(readConfig(schema, env).port).toBe(8080)
    expect(readConfig(schema, { ...env, BELFRY_MODE: 'standalone' }, { known: ['BELFRY_MODE'] }).port).toBe(8080)
    expect(issuesOf({ ...env, BELFRY_MODE: 'standalone' }).issues).toHaveLength(1)
  })

  it('says what is wrong between two keys, also when one of them has its default', () => {
    const bounds = z
      .object({ low: z.coerce.number().default(2), high: z.coerce.number().default(3) })
      .refine(({ low, high }) => low < high, { path: ['low'], message: 'must be below BELFRY_HIGH' })
    expect(readConfig(bounds, {})).toEqual({ low: 2, high: 3 })
    expect(() => readConfig(bounds, { BELFRY_HIGH: '1' })).toThrow('BELFRY_LOW must be below BELFRY_HIGH')
  })

  it('writes a key as its variable', () => {
    expect(configKey('breakerTimeoutMs')).toBe('BELFRY_BREAKER_TIMEOUT_MS')
  })
})

describe('the nearest name', () => {
  it('finds a typing error and nothing far-fetched', () => {
    const names = ['schedule', 'jobType', 'params']
    expect(nearestName('shedule', names)).toBe('schedule')
    expect(nearestName('jobtype', names)).toBe('jobType')
    expect(nearestName('parmas', names)).toBe('params')
    expect(nearestName('colour', names)).toBeUndefined()
    expect(nearestName('x'.repeat(100_000), names)).toBeUndefined()
  })
})

describe('crash points', () => {
  it('kill at the named step, phase and time, and nowhere else', () => {
    let kills = 0
    const crash = createCrashPoints('jobs.create:after#2', () => kills++)
    crash.at('jobs.create', 'before')
    crash.at('jobs.create', 'after')
    crash.at('jobs.cancel', 'after')
    expect(kills).toBe(0)
    crash.at('jobs.create', 'after')
    expect(kills).toBe(1)
    crash.at('jobs.create', 'after')
    expect(kills).toBe(1)
  })

  it('may be named later, in a file', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'belfry-point-')), 'crash-at')
    let kills = 0
    const crash = createCrashPoints(`@${path}`, () => kills++)
    crash.at('jobs.create', 'before')
    writeFileSync(path, 'jobs.create:before')
    expect(kills).toBe(0)
    crash.at('jobs.create', 'before')
    expect(kills).toBe(1)
    rmSync(dirname(path), { recursive: true })
  })

  it('do nothing unless asked for, and refuse what they cannot read', () => {
    createCrashPoints(undefined).at('jobs.create', 'after')
    createCrashPoints('').at('jobs.create', 'after')
    for (const spec of ['jobs.create', 'jobs.create:during', 'jobs.create:after#0', ':after']) {
      expect(() => createCrashPoints(spec)).toThrow(ConfigError)
    }
  })
})
