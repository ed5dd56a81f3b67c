import * as prom from 'prom-client'

/** Values of a metric's labels. Never an id: 10,000 jobs must make as many series as ten. */
export type Labels = Readonly<Record<string, string>>

export interface Counter {
  inc(labels?: Labels, by?: number): void
  /** The same counter with its labels fixed. A hot path holds it and looks nothing up. */
  labels(labels: Labels): { inc(by?: number): void }
}

export interface Gauge {
  set(labels: Labels, value: number): void
  /** Removes one series: what it described is gone. */
  remove(labels: Labels): void
  labels(labels: Labels): { set(value: number): void; inc(by?: number): void; dec(by?: number): void }
}

export interface Histogram {
  /** Seconds, bytes, or whatever the metric's name ends in. */
  observe(labels: Labels, value: number): void
  labels(labels: Labels): { observe(value: number): void }
}

/**
 * The metrics of one service. The same name gives the same metric; every series carries the label `service`.
 * `labels` names the others. Throws when a name is used again with other labels or as another kind.
 */
export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): Counter
  /** `collect`, when given, is called before each scrape to set the gauge to what is. */
  gauge(name: string, help: string, labels?: readonly string[], collect?: (gauge: Gauge) => void): Gauge
  histogram(name: string, help: string, labels?: readonly string[], buckets?: readonly number[]): Histogram
}

/** All metrics of the process: one registry, one `/metrics`. */
export interface MetricsRegistry {
  forService(service: string): Metrics
  /** The text that Prometheus reads. */
  render(): Promise<string>
  readonly contentType: string
}

/** Resolution of prom-client's sampler of the event loop's lag, milliseconds: a day. */
const lagResolutionMs = 86_400_000

/** Default metrics that are left out: the lag, which the idle sampler does not measure, and two that list live objects. */
const leftOut = /^nodejs_(?:eventloop_lag|active_handles|active_requests)/

/**
 * Node's default metrics but for those left out. prom-client has no option to leave the sampler of the lag out, which wakes an
 * idle process every 10 ms; so it gets a resolution of a day. `nodejs_eventloop_utilization`, read on demand, replaces it.
 */
function addDefaultMetrics(metricsRegistry: prom.Registry): void {
  prom.collectDefaultMetrics({ register: metricsRegistry, eventLoopMonitoringPrecision: lagResolutionMs })
  for (const { name } of metricsRegistry.getMetricsAsArray()) {
    if (leftOut.test(name)) metricsRegistry.removeSingleMetric(name)
  }
  let last = performance.eventLoopUtilization()
  new prom.Gauge({
    name: 'nodejs_eventloop_utilization',
    help: 'Share of the time since the last scrape in which the event loop was busy',
    registers: [metricsRegistry],
    collect() {
      const now = performance.eventLoopUtilization()
      this.set(performance.eventLoopUtilization(now, last).utilization)
      last = now
    },
  })
}

type PromMetric = prom.Counter | prom.Gauge | prom.Histogram

/** `defaults`: with Node's own metrics. `version`: shown as `belfry_build_info`. */
export function createMetrics(options: { defaults?: boolean; version?: string } = {}): MetricsRegistry {
  const metricsRegistry = new prom.Registry()
  const known = new Map<string, { metric: PromMetric; shape: string; collects: (() => void)[] }>()
  if (options.defaults) addDefaultMetrics(metricsRegistry)
  if (options.version !== undefined) {
    const info = { name: 'belfry_build_info', help: 'Always 1; the version is a label', registers: [metricsRegistry] }
    new prom.Gauge({ ...info, labelNames: ['version'] }).set({ version: options.version }, 1)
  }

  const once = <M extends PromMetric>(
    kind: string,
    name: string,
    labels: readonly string[],
    make: (base: { name: string; labelNames: string[]; registers: prom.Registry[]; collect: () => void }) => M,
  ) => {
    const shape = `${kind}(${labels.join()})`
    const found = known.get(name)
    if (found && found.shape !== shape) throw new Error(`metric ${name} is ${found.shape}, not ${shape}`)
    if (found) return found as typeof found & { metric: M }
    const collects: (() => void)[] = []
    const collect = () => {
      for (const one of collects) one()
    }
    const metric = make({ name, labelNames: ['service', ...labels], registers: [metricsRegistry], collect })
    const added = { metric, shape, collects }
    known.set(name, added)
    return added
  }

  const forService = (service: string): Metrics => ({
    counter(name, help, labels = []) {
      const { metric } = once('counter', name, labels, (base) => new prom.Counter({ ...base, help }))
      return {
        inc: (values, by) => metric.inc({ service, ...values }, by),
        labels: (values) => metric.labels({ service, ...values }),
      }
    },
    gauge(name, help, labels = [], collect) {
      const { metric, collects } = once('gauge', name, labels, (base) => new prom.Gauge({ ...base, help }))
      const gauge: Gauge = {
        set: (values, value) => metric.set({ service, ...values }, value),
        remove: (values) => metric.remove({ service, ...values }),
        labels: (values) => metric.labels({ service, ...values }),
      }
      if (collect) collects.push(() => collect(gauge))
      return gauge
    },
    histogram(name, help, labels = [], buckets = defaultBuckets) {
      const { metric } = once(
        'histogram',
        name,
        labels,
        (base) => new prom.Histogram({ ...base, help, buckets: [...buckets] }),
      )
      return {
        observe: (values, value) => metric.observe({ service, ...values }, value),
        labels: (values) => metric.labels({ service, ...values }),
      }
    },
  })

  return { forService, render: () => metricsRegistry.metrics(), contentType: metricsRegistry.contentType }
}

/** Seconds, from half a millisecond: what a request or a start takes. */
const defaultBuckets: readonly number[] = [
  0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 5, 10,
]
