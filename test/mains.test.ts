import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { authConfig } from '@belfry/auth-service'
import { distributedSchema, keysOfOthers } from '@belfry/bootstrap'
import { type ServiceName, serviceNames } from '@belfry/contracts'
import { executorConfig, executorRules } from '@belfry/executor-service'
import { gatewayConfig } from '@belfry/gateway'
import { jobConfig, jobRules } from '@belfry/job-service'
import { schedulerConfig } from '@belfry/scheduler-service'
import { ConfigError, configKeys, readConfig } from '@belfry/service'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const busKey = 'Zk3vQ0x8y1LwTt6dRrPp2nHh5cJj9sBa'
const serviceKey = 'm4WbXo7uEe0KzVf9iGg3lSqYy8aNnD5c'
const secretsKey = 'c2LxQ9vTz7RkJ4wMh1NfYb6UaGp8Es3D'

/** Settings that are good for every service. */
const good: Readonly<Record<string, string>> = {
  BELFRY_MODE: 'distributed',
  BELFRY_BUS_URL: 'kafka://127.0.0.1:9092,127.0.0.1:9093',
  BELFRY_REGISTRY_URL: 'consul://127.0.0.1:8500/test',
  BELFRY_STORE_URL: 'mongodb://user:pass@127.0.0.1:27017,127.0.0.1:27018/test?replicaSet=rs0',
  BELFRY_BUS_KEY: busKey,
  BELFRY_SERVICE_KEY: serviceKey,
  BELFRY_SECRETS_KEY: secretsKey,
}

const schemas = {
  gateway: distributedSchema('gateway', gatewayConfig.shape),
  'auth-service': distributedSchema('auth-service', authConfig.shape),
  'job-service': distributedSchema('job-service', jobConfig.shape, jobRules),
  'scheduler-service': distributedSchema('scheduler-service', schedulerConfig.shape),
  'executor-service': distributedSchema('executor-service', executorConfig.shape, executorRules),
}

function read(service: ServiceName, env: NodeJS.ProcessEnv) {
  return readConfig(schemas[service], env, { known: keysOfOthers(service) })
}

function issuesOf(service: ServiceName, env: Record<string, string | undefined>): string[] {
  try {
    read(service, { ...good, ...env })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.issues.map(({ key, detail }) => `${key} ${detail}`)
  }
}

/** Runs the process of a service that does not come up, and answers what it says and its exit code. */
async function runToEnd(service: ServiceName, env: Record<string, string>) {
  const child = spawn(process.execPath, [join(root, 'apps', service, 'src/main.ts')], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err, [code]] = await Promise.all([child.stdout.toArray(), child.stderr.toArray(), once(child, 'exit')])
  return { out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString(), code }
}

describe('the process of a service', () => {
  it.each(serviceNames)('refuses to start without settings, and says all that it needs: %s', async (service) => {
    const { out, err, code } = await runToEnd(service, {})
    expect([out, code]).toEqual(['', 1])
    const [first, ...lines] = err.trimEnd().split('\n')
    expect(first).toBe('The configuration cannot be used:')
    const needed = Object.keys(good).filter((key) => configKeys(schemas[service]).includes(key))
    expect(lines.map((line) => line.trim().split(' ', 1)[0]).toSorted()).toEqual(needed.toSorted())
    expect(err).toContain('BELFRY_MODE is required: set it to "distributed" for a service in its own process')
  })

  it('names every issue at once in one message, and shows no secret', async () => {
    const { out, err, code } = await runToEnd('executor-service', {
      BELFRY_MODE: 'standalone',
      BELFRY_BUS_URL: 'memory:',
      BELFRY_REGISTRY_URL: 'static:',
      BELFRY_STORE_URL: 'sqlite:/tmp/x-hunter2.db',
      BELFRY_BUS_KEY: 'hunter2-hunter2-hunter2',
      BELFRY_SERVICE_KEY_FILE: '/nowhere/key',
      BELFRY_EXECUTOR_LEASE_SM: '1000',
    })
    expect([out, code]).toEqual(['', 1])
    expect(err.trimEnd().split('\n')).toEqual(
      [
        'The configuration cannot be used:',
        '  BELFRY_EXECUTOR_LEASE_SM is unknown; did you mean BELFRY_EXECUTOR_LEASE_MS?',
        '  BELFRY_SERVICE_KEY_FILE names a file that does not exist: /nowhere/key',
        `  BELFRY_MODE must be "distributed" in a service's own process: "standalone" is one process with all services, which "npm start" runs`,
        `  BELFRY_REGISTRY_URL must be a URL of consul: in a service's own process, such as "consul://127.0.0.1:8500"`,
        `  BELFRY_BUS_URL must be a URL of kafka: in a service's own process, such as "kafka://127.0.0.1:9092"`,
        '  BELFRY_BUS_KEY is shorter than 32 bytes',
        `  BELFRY_STORE_URL must be a URL of mongodb: or mongodb+srv: in a service's own process, such as "mongodb://127.0.0.1:27017"`,
      ].map((line) => expect.stringContaining(line)),
    )
    expect(err).not.toContain('hunter2')
  })
})

describe('the settings of a service in its own process', () => {
  it.each(serviceNames)('are enough as they are listed in the docs: %s', (service) => {
    expect(issuesOf(service, {})).toEqual([])
  })

  it.each(serviceNames)('may stand in one file for all services: %s', (service) => {
    const keys = new Set(Object.values(schemas).flatMap(configKeys))
    const unknown = [...keys].filter((key) =>
      issuesOf(service, { [key]: good[key] ?? 'x' }).some((issue) => issue.includes('is unknown')),
    )
    expect(unknown).toEqual([])
  })

  it.each(serviceNames)('are refused where a key belongs to no service: %s', (service) => {
    expect(issuesOf(service, { BELFRY_EXECUTER_LEASE_MS: '1' })[0]).toContain('BELFRY_EXECUTER_LEASE_MS is unknown')
    expect(issuesOf(service, { BELFRY_SERVICE_KEYS: busKey })[0]).toContain('did you mean BELFRY_SERVICE_KEY?')
  })

  it('need a key of the bus only where messages are sent or taken', () => {
    const withoutBus = { BELFRY_BUS_KEY: undefined, BELFRY_BUS_URL: undefined }
    expect(issuesOf('gateway', withoutBus)).toEqual([])
    expect(issuesOf('auth-service', withoutBus)).toEqual([])
    for (const service of ['job-service', 'scheduler-service', 'executor-service'] as const) {
      expect(issuesOf(service, withoutBus), service).toHaveLength(2)
    }
  })

  it('take the URL of all stores, or the one of the service', () => {
    const env = { BELFRY_STORE_URL: undefined, BELFRY_JOB_STORE_URL: 'mongodb://127.0.0.1/jobs' }
    expect(issuesOf('job-service', env)).toEqual([])
    expect(issuesOf('gateway', env)).toEqual([])
    expect(issuesOf('executor-service', env)).toEqual([
      'BELFRY_STORE_URL is required: such as "mongodb://127.0.0.1:27017", or BELFRY_EXECUTOR_STORE_URL for this service only',
    ])
  })

  it('hold the rules between keys', () => {
    expect(issuesOf('job-service', { BELFRY_JOB_FENCE_TIMEOUT_MS: '3000' })[0]).toContain(
      'BELFRY_JOB_FENCE_TIMEOUT_MS must be below BELFRY_BREAKER_TIMEOUT_MS',
    )
    expect(issuesOf('executor-service', { BELFRY_EXECUTOR_LOOKUPS: '9' })[0]).toContain(
      'BELFRY_EXECUTOR_LOOKUPS must be at most half of BELFRY_THREADS',
    )
    expect(issuesOf('executor-service', { BELFRY_EXECUTOR_BEAT_MS: '2000' })[0]).toContain(
      'BELFRY_EXECUTOR_BEAT_MS is 2000, and must be at most a third of BELFRY_EXECUTOR_LEASE_MS, which is 5000',
    )
  })

  it.each([
    ['BELFRY_BUS_URL', 'kafka://'],
    ['BELFRY_BUS_TOPIC_EXECUTE', 'job execute'],
    ['BELFRY_BUS_PARTITIONS', '0'],
    ['BELFRY_ADVERTISE_PORT', '65536'],
    ['BELFRY_REGISTRY_URL', 'http://127.0.0.1:8500'],
  ])('are checked: %s', (key, value) => {
    const issues = issuesOf('job-service', { [key]: value })
    expect(issues).toHaveLength(1)
    expect(issues[0]).toMatch(new RegExp(`^${key} `))
  })

  it('contain no secret that stands in this repository', () => {
    const pages = globSync(['.env.example', '*.md', '*.yml', 'docs/**/*.md', 'infra/**/*.{md,yaml,yml}'], { cwd: root })
    expect(pages).toContain('README.md')
    const values = pages.flatMap((page) =>
      [...readFileSync(join(root, page), 'utf8').matchAll(/BELFRY_(?:BUS|SERVICE)_KEY\s*[=:]\s*["']?([^\s"'$]+)/g)].map(
        ([, value]) => value,
      ),
    )
    expect(values.filter((value) => issuesOf('job-service', { BELFRY_BUS_KEY: value }).length === 0)).toEqual([])
  })
})
