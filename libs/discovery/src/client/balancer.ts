import type { Readable } from 'node:stream'
import { type ServiceName, serviceNames } from '@belfry/contracts'
import type { Clock, Metrics } from '@belfry/service'
import type { Instance, Registry } from '../registry/port.ts'
import { type BreakerConfig, type BreakerState, breakerStates } from './breaker.ts'
import type { ClockView } from './peer-clocks.ts'
import { createRetryBudget, type RetryBudget } from './retry-budget.ts'
import { ServiceCallError } from './service-call-error.ts'
import { openUpstream, type Upstream, type UpstreamRequest, type UpstreamResponse } from './upstream.ts'
import { isSmallUpload, streamOf, takeWhole } from './upstream-body.ts'

export interface BalancerOptions {
  registry: Registry
  clock: Clock
  metrics: Metrics
  breaker: BreakerConfig
  /** The calling service; a label of the metrics. */
  caller: ServiceName
  /** Calls in flight to one instance; more are refused as `busy`. */
  maxInFlight?: number
}

/** One instance as the caller sees it. */
export interface BreakerView {
  readonly service: ServiceName
  /** The instance's id. */
  readonly target: string
  readonly state: BreakerState
  readonly inFlight: number
}

/**
 * Calls another service: picks an instance from the registry whose breaker allows a call, uses its connections, and
 * repeats the call on another one where that is safe. `request` has the shape that @fastify/reply-from wants of its `undici` option, so that
 * the gateway's proxy and the calls between services share it.
 */
export interface Balancer {
  /** Calls back once, with a `ServiceCallError` or with an answer of any status. */
  request(request: UpstreamRequest, callback: (error: Error | null, response?: UpstreamResponse) => void): void
  breakers(): BreakerView[]
  /** The clocks of the instances that have answered with a `Date`. */
  clocks(): ClockView[]
  close(): void
}

/** The origin (scheme and host) that names a service in an `UpstreamRequest`. */
export function originOf(service: ServiceName): string {
  return `http://${service}`
}

function isSameAddress(a: Instance, b: Instance): boolean {
  return a.host === b.host && a.port === b.port && a.handler === b.handler
}

const servicesByOrigin = new Map(serviceNames.map((service) => [originOf(service), service]))
const untried: ReadonlySet<string> = new Set()
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** A call that went out and broke: a repeat must not repeat an effect of the first try, and its body must still be there. */
function isRepeatable(request: UpstreamRequest, error: ServiceCallError): boolean {
  return error.code === 'refused' && idempotent.has(request.method) && streamOf(request.body) === null
}

/** One call on its way, over all its tries. */
interface BalancedCall {
  readonly options: UpstreamRequest
  readonly service: ServiceName
  readonly budget: RetryBudget
  /** The ids of the instances that it has tried. */
  readonly tried: Set<string>
  /** Whether the budget has paid for it. */
  readonly isRetry: boolean
  readonly callback: Parameters<Balancer['request']>[1]
}

export function createBalancer({
  registry,
  clock,
  metrics,
  breaker,
  caller,
  maxInFlight = 2_000,
}: BalancerOptions): Balancer {
  const upstreams = new Map<string, Upstream>()
  const budgets = new Map<ServiceName, RetryBudget>(serviceNames.map((service) => [service, createRetryBudget()]))

  const upstreamOf = (instance: Instance): Upstream => {
    const known = upstreams.get(instance.id)
    if (known && isSameAddress(known.instance, instance)) return known
    known?.close()
    const opened = openUpstream(instance, { clock, config: breaker })
    upstreams.set(instance.id, opened)
    return opened
  }

  /** The next instance whose breaker allows a call and that is not among `tried`; else the reason why there is none. */
  const choose = (service: ServiceName, tried: ReadonlySet<string>, only?: string): Upstream | ServiceCallError => {
    const count = registry.instances(service).length
    let soonestMs = Number.POSITIVE_INFINITY
    let isBusy = false
    for (let tries = 0; tries < count; tries++) {
      const instance = registry.pick(service)
      if (!instance) break
      if (tried.has(instance.id) || instance.id !== (only ?? instance.id)) continue
      const upstream = upstreamOf(instance)
      if (!upstream.breaker.allows()) soonestMs = Math.min(soonestMs, upstream.breaker.openForMs())
      else if (upstream.inFlight() >= maxInFlight) isBusy = true
      else return upstream
    }
    if (isBusy) return new ServiceCallError('busy', `too many calls to ${service} are on their way`, { retryAfterS: 1 })
    if (soonestMs === Number.POSITIVE_INFINITY) {
      return new ServiceCallError('no-instance', `no instance of ${service} is known`, { retryAfterS: 1 })
    }
    const retryAfterS = Math.max(1, Math.ceil(soonestMs / 1000))
    return new ServiceCallError('breaker-open', `${service} fails too often just now`, { retryAfterS })
  }

  const request: Balancer['request'] = (options, callback) => {
    const service = servicesByOrigin.get(options.origin)
    if (!service) {
      callback(new ServiceCallError('no-instance', `${options.origin} is not a service`))
      return
    }
    const budget = budgets.get(service) as RetryBudget
    budget.earn()
    const upstream = choose(service, untried, options.instance)
    if (upstream instanceof ServiceCallError) return callback(upstream)
    const call: BalancedCall = { options, service, budget, tried: new Set(), isRetry: false, callback }
    const upload = streamOf(options.body)
    if (isSmallUpload(upload, options.headers)) process.nextTick(attemptWhole, upstream, call, upload)
    else attempt(upstream, call)
  }

  /** A small body that came with its head is sent in one piece: as a stream it costs 25 µs more. Meanwhile the breaker may have opened. */
  const attemptWhole = (upstream: Upstream, call: BalancedCall, upload: Readable): void => {
    const { options, service, callback } = call
    const chosen = upstream.breaker.allows() ? upstream : choose(service, untried, options.instance)
    const body = takeWhole(upload, options.headers)
    if (chosen instanceof ServiceCallError) callback(chosen)
    else attempt(chosen, body ? { ...call, options: { ...options, body } } : call)
  }

  /**
   * The instance for a further try after `error`; undefined when the call ends with it. A call that never went out moves on
   * while there is an instance that it has not tried: each of them gets no more calls than without the dead one. One that
   * went out is repeated once and within the budget, on the same instance if there is no other: its connection may have been
   * an old one.
   */
  const nextOf = (call: BalancedCall, error: ServiceCallError): Upstream | undefined => {
    const { options, service, budget, tried, isRetry } = call
    const other = choose(service, tried, options.instance)
    const isFree = !(other instanceof ServiceCallError)
    if (error.isUnsent) return isFree ? other : undefined
    if (isRetry || !isRepeatable(options, error)) return undefined
    const next = isFree ? other : choose(service, untried, options.instance)
    return next instanceof ServiceCallError || !budget.spend() ? undefined : next
  }

  const attempt = (upstream: Upstream, call: BalancedCall): void => {
    const { options, callback } = call
    call.tried.add(upstream.instance.id)
    upstream.call(options, (error, response) => {
      const next = error ? nextOf(call, error) : undefined
      if (next && error) attempt(next, { ...call, isRetry: call.isRetry || !error.isUnsent })
      else callback(error, response)
    })
  }

  const breakers = (): BreakerView[] =>
    [...upstreams.values()].map(({ instance, breaker, inFlight }) => ({
      service: instance.service,
      target: instance.id,
      state: breaker.state(),
      inFlight: inFlight(),
    }))

  const shown = metrics.gauge(
    'belfry_circuit_breaker_state',
    'Whether the breaker of an instance is in this state',
    ['caller', 'target', 'state'],
    (gauge) => {
      for (const { target, state } of breakers()) {
        for (const one of breakerStates) gauge.set({ caller, target, state: one }, one === state ? 1 : 0)
      }
    },
  )

  const clocks = (): ClockView[] =>
    [...upstreams.values()].flatMap(({ instance, skewMs }) => {
      const aheadMs = skewMs()
      return aheadMs === null ? [] : [{ service: instance.service, target: instance.id, aheadMs }]
    })

  const skews = metrics.gauge(
    'belfry_clock_skew_seconds',
    'How far the clock of an instance is ahead, by the Date of its answers; 0 within the precision of that',
    ['target'],
    (gauge) => {
      for (const { target, aheadMs } of clocks()) gauge.set({ target }, aheadMs / 1000)
    },
  )

  const forget = (upstream: Upstream) => {
    const target = upstream.instance.id
    upstreams.delete(target)
    upstream.close()
    for (const state of breakerStates) shown.remove({ caller, target, state })
    skews.remove({ target })
  }

  const unwatch = serviceNames.map((service) =>
    registry.watch(service, (instances) => {
      for (const upstream of upstreams.values()) {
        const { service: of, id } = upstream.instance
        if (of === service && !instances.some((one) => one.id === id)) forget(upstream)
      }
    }),
  )

  return {
    request,
    breakers,
    clocks,
    close() {
      for (const end of unwatch) end()
      for (const upstream of upstreams.values()) forget(upstream)
    },
  }
}
