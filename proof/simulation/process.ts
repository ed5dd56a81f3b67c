import { createStaticRegistry } from '@belfry/discovery'
import { createExecutorService, executorConfig } from '@belfry/executor-service'
import { createHttpApp, type HttpApp, type ServiceTokens, type TokenVerifier } from '@belfry/http'
import { createJobService, jobConfig } from '@belfry/job-service'
import { createSchedulerService, schedulerConfig } from '@belfry/scheduler-service'
import { createHealth, createLog, createSeededIds, type Metrics } from '@belfry/service'
import type { ServiceShell } from '@belfry/shell'
import { createMachine, type Machine } from './machine.ts'
import { linkStores } from './stores.ts'
import { handlersOf } from './target.ts'
import type { WorldParts } from './world.ts'

/** The services of a world that run in processes of their own. */
export const simulatedServices = ['job-service', 'scheduler-service', 'executor-service'] as const
export type SimulatedService = (typeof simulatedServices)[number]

/** One process of a world. A kill ends a life of it, a start begins the next one. */
export interface Process {
  readonly name: string
  readonly service: SimulatedService
  /** Of its newest life. */
  readonly machine: Machine
  readonly isUp: boolean
  /** Begins a life: its start goes on in the world's time. */
  start(): Promise<void>
  kill(): void
  /** Stops in order, as by SIGTERM. */
  stop(): void
}

/** How long an executor's lease lasts in a world, milliseconds. */
export const leaseMs = 2_000

/** Shorter than by default where a world would only wait. */
const configs = {
  'job-service': jobConfig.parse({
    mode: 'distributed',
    secretsKey: 'q7Vd0TzK3mXw9RbL5nHc2JpYf8GsA1eU',
    jobResendMs: 1_000,
    jobResendMaxMs: 8_000,
    jobReconcileMs: 5_000,
    jobReconcileTimeoutMs: 2_000,
    jobRequestTryMs: 4_000,
    // No check of a world is about what these loops do: they only ask the stores.
    jobPauseEndMs: 2_000,
    jobNotifyPollMs: 2_000,
    jobMissedPollMs: 60_000,
    auditSealPollMs: 20_000,
    // Caches as large as a world, which are made anew with each life of a process.
    jobCompiledSchedules: 50,
    jobMissedHeld: 50,
    jobRememberedJobs: 50,
  }),
  'scheduler-service': schedulerConfig.parse({
    schedulerResendMs: 1_000,
    schedulerResendMaxMs: 8_000,
    schedulerReconcileMs: 5_000,
    schedulerReconcileTimeoutMs: 2_000,
    schedulerMisfireAfterMs: 5_000,
    schedulerCompiledLimit: 50,
  }),
  'executor-service': executorConfig.parse({
    mode: 'distributed',
    executorBeatMs: 500,
    executorLeaseMs: leaseMs,
    executorIoConcurrency: 8,
    executorClaimAhead: 4,
    executorAbortGraceMs: 500,
    executorStoreRetryMs: 500,
    executorSettleMs: 2_000,
    executorPlaceRecheckMs: 2_000,
    shutdownGraceMs: 1_000,
  }),
}

const nothing = () => undefined
const meter = { inc: nothing, dec: nothing, set: nothing, observe: nothing, remove: nothing }
const metrics: Metrics = {
  counter: () => ({ ...meter, labels: () => meter }),
  gauge: () => ({ ...meter, labels: () => meter }),
  histogram: () => ({ ...meter, labels: () => meter }),
}
const silent = createLog({ level: 'silent' })

/** Whom a token names: the one user of a world, whatever it says. */
const user = { userId: 'usr-1', username: 'one', roles: ['user'] } as const
const tokens: TokenVerifier = {
  recall: () => user,
  keyOf: async () => undefined,
  accept: () => user,
  check: async () => undefined,
}
const serviceTokens: ServiceTokens = {
  sign: (service) => `${service}.t.s`,
  verify: (token) => simulatedServices.find((service) => token.startsWith(`${service}.`)),
}

const called = /^\/internal\/(?!secrets|audit|breakers|schedules\/versions|fire-log\/list|jobs\/reach)/
const calledByUsers =
  /^\/(?:jobs(?:\/:id(?:\/(?:pause|resume|cancel|trigger|backfill))?)?|executions\/:id\/(?:cancel|retry)|dead-letters\/redrive)$/

/** An app with the routes that a world calls: to add all of them takes longer than to simulate a minute. */
const openApp: typeof createHttpApp = (options) => {
  const app = createHttpApp({ ...options, openapi: false })
  for (const method of ['get', 'post', 'put', 'patch', 'delete'] as const) {
    const add = app[method] as (...args: unknown[]) => unknown
    const addCalled = (path: string, ...rest: unknown[]) => {
      const isOfUsers = options.service === 'job-service' && method !== 'get' && calledByUsers.test(path)
      const isCalled = isOfUsers || called.test(path)
      return isCalled ? add.call(app, path, ...rest) : app
    }
    Object.assign(app, { [method]: addCalled })
  }
  return app
}

function createService(parts: WorldParts, name: string, service: SimulatedService, machine: Machine): ServiceShell {
  const { loop, random, faults, history, bus, network, table } = parts
  const registry = createStaticRegistry(table)
  const link = { loop, random, faults, machine, process: name }
  const { clock } = machine
  const deps = {
    clock,
    log: parts.log ?? silent,
    ids: createSeededIds(random.between(1, 2 ** 30)),
    health: createHealth({ clock, log: silent }),
    metrics,
    bus: bus.connect(name, machine),
    registry,
    rest: network.clientOf(link, service, registry),
    tokens,
    serviceTokens,
    advertise: { host: name, port: 80 },
    openApp,
  }
  history.add(name, 'starts')
  const { stores } = parts
  if (service === 'job-service')
    return createJobService({ ...deps, stores: linkStores(stores.jobs, link), config: configs[service] })
  if (service === 'scheduler-service')
    return createSchedulerService({ ...deps, stores: linkStores(stores.schedules, link), config: configs[service] })
  return createExecutorService({
    ...deps,
    stores: linkStores(stores.executions, link),
    config: configs[service],
    handlers: handlersOf(parts, name, machine),
    random: random.fraction,
  })
}

/** Where the app of a process is reached: no socket, an entry of the network. */
function listenOnNetwork(parts: WorldParts, name: string, machine: Machine, app: HttpApp, instance: string): void {
  app.listen = (async () => {
    parts.network.listen(instance, { process: name, machine, app })
    return `http://${name}`
  }) as typeof app.listen
  Object.assign(app.server, { address: () => ({ address: name, family: 'IPv4', port: 80 }) })
}

/** How long a registry lists a process that died, milliseconds. */
const listedMs = 2_000

export function createProcess(parts: WorldParts, name: string, service: SimulatedService, skewMs: number): Process {
  const { loop, history, table, startAt } = parts
  const instance = `${service}-${name}-80`
  let machine = createMachine(loop, startAt, skewMs)
  let running: ServiceShell | undefined
  let isUp = false
  let life = 0

  return {
    name,
    service,
    get machine() {
      return machine
    },
    get isUp() {
      return isUp
    },
    async start() {
      if (isUp) return
      const skew = machine.skewMs()
      if (life > 0) machine = createMachine(loop, startAt, skew)
      life += 1
      isUp = true
      running = createService(parts, name, service, machine)
      listenOnNetwork(parts, name, machine, running.app, instance)
      await running.app.ready()
      const [own, started] = [machine, life]
      running.start().then(
        () => history.add(name, 'is up'),
        () => {
          // As a process manager does: the next life begins a second later.
          if (life !== started || !own.isAlive) return
          history.add(name, 'did not start')
          own.kill()
          isUp = false
          loop.after(1_000, () => parts.onFailedStart(name))
        },
      )
    },
    kill() {
      if (!isUp) return
      history.add(name, 'is killed')
      isUp = false
      machine.kill()
      parts.target.died(machine)
      const ended = life
      loop.after(listedMs, () => {
        if (life !== ended) return
        const left = table.instances(service).filter(({ id }) => id !== instance)
        if (left.length < table.instances(service).length) table.change(service, left)
      })
    },
    stop() {
      if (!isUp || machine.isFrozen) return
      history.add(name, 'stops')
      const stopped = machine
      const end = (what: string) => {
        if (!stopped.isAlive) return
        history.add(name, what)
        stopped.kill()
        isUp = false
        parts.onStopped(name)
      }
      void running?.stop().then(
        () => end('has stopped'),
        () => end('has stopped, with an error'),
      )
    },
  }
}
