import { join } from 'node:path'
import { createAuthService, openStores as openAuthStores } from '@belfry/auth-service'
import { createCalls, type ProcessBase } from '@belfry/bootstrap'
import { createMemoryBus } from '@belfry/bus'
import { createStaticRegistry } from '@belfry/discovery'
import { createExecutorService, openStores as openExecutorStores } from '@belfry/executor-service'
import { createGateway } from '@belfry/gateway'
import { createJobService, openStores as openJobStores } from '@belfry/job-service'
import { createSchedulerService, openStores as openSchedulerStores } from '@belfry/scheduler-service'
import type { Part } from '@belfry/service'
import type { StoreThread } from '@belfry/storage/sqlite'
import type { StandaloneConfig } from './config.ts'
import { openSecretsKey } from './secrets-key.ts'

/** The groups that belong to each topic (the messages between the services). */
const groups = {
  'job-changes': ['scheduler-service'],
  'job-execute': ['executor-service'],
  'job-status': ['job-service', 'scheduler-service'],
}

/** Opens the stores of all services and wires the services. Rejects with a `StorageError`; the store thread stays open. */
export async function openServices(
  settings: StandaloneConfig,
  dataDir: string,
  base: ProcessBase,
  thread: () => StoreThread,
) {
  const { clock, ids, metrics, metricsRegistry, depsOf } = base
  const deps = {
    auth: depsOf('auth-service'),
    job: depsOf('job-service'),
    scheduler: depsOf('scheduler-service'),
    executor: depsOf('executor-service'),
  }
  const config = { ...settings, secretsKey: settings.secretsKey ?? openSecretsKey(dataDir) }
  const urlOf = (file: string) => `sqlite:${join(dataDir, file)}`
  // One after the other: when another process has a file open, no file behind it is touched.
  const authStores = await openAuthStores(urlOf('auth.db'), { ...deps.auth, thread })
  const jobStores = await openJobStores(urlOf('jobs.db'), { ...deps.job, thread })
  const schedulerStores = await openSchedulerStores(urlOf('scheduler.db'), { ...deps.scheduler, thread })
  const executorStores = await openExecutorStores(urlOf('executor.db'), { ...deps.executor, thread })

  const bus = createMemoryBus({ clock, ids, metrics, sender: 'standalone', groups })
  const registry = createStaticRegistry()
  // Only this process uses the service key, so each start makes one.
  const { serviceTokens, callsOf, tokensOf } = createCalls(base, registry, config)
  const calls = {
    gateway: callsOf('gateway'),
    job: callsOf('job-service'),
    scheduler: callsOf('scheduler-service'),
    executor: callsOf('executor-service'),
  }
  // One for all five: a token that the gateway has verified is known to the services behind it.
  const tokens = tokensOf(calls.gateway.rest)
  const common = { config, registry, bus, tokens, serviceTokens }
  const auth = createAuthService({ ...deps.auth, ...common, stores: authStores })
  const executor = createExecutorService({ ...deps.executor, ...common, stores: executorStores, ...calls.executor })
  const scheduler = createSchedulerService({
    ...deps.scheduler,
    ...common,
    stores: schedulerStores,
    ...calls.scheduler,
  })
  const job = createJobService({ ...deps.job, ...common, stores: jobStores, ...calls.job })
  const gateway = createGateway({ ...depsOf('gateway'), ...common, ...calls.gateway, metricsRegistry })
  const closeCalls = () => {
    for (const { balancer } of Object.values(calls)) balancer.close()
  }
  return { auth, executor, scheduler, job, gateway, bus, closeCalls }
}
type Services = Awaited<ReturnType<typeof openServices>>

/** In order of start. A consumer of a service's changes stops after that service, so it still takes the last changes. */
export function partsOf({ auth, executor, scheduler, job, gateway }: Services): Part[] {
  return [
    { name: 'auth-service', ...auth },
    { name: 'scheduler-service', stop: scheduler.stop },
    { name: 'job-service', stop: job.stop },
    { name: 'executor-service', ...executor },
    { name: 'scheduler-service', start: scheduler.start },
    { name: 'job-service', start: job.start },
    { name: 'gateway', ...gateway },
  ]
}
