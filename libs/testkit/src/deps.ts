import {
  createHealth,
  createLog,
  createManualClock,
  createMetrics,
  createSeededIds,
  type LogLevelName,
  type ManualClock,
  type MetricsRegistry,
  type ServiceDeps,
} from '@belfry/service'

export interface TestDepsOptions {
  readonly clock?: ManualClock
  /** From which level lines are recorded. Default `warn`. */
  readonly logLevel?: LogLevelName
  /** Two worlds with the same seed make the same ids. */
  readonly seed?: number
}

/** What every service is handed, with a clock that the test advances and a log that it reads. */
export interface TestDeps {
  readonly clock: ManualClock
  readonly metricsRegistry: MetricsRegistry
  /** The lines of the log, as JSON texts. */
  readonly lines: readonly string[]
  /** The lines of the log, parsed. */
  logged(): Record<string, unknown>[]
  /** The dependencies of one service; all services share clock, ids and log. */
  depsOf(service: string): ServiceDeps & { readonly clock: ManualClock }
}

export function createTestDeps(options: TestDepsOptions = {}): TestDeps {
  const { clock = createManualClock(), logLevel = 'warn', seed = 1 } = options
  const lines: string[] = []
  const log = createLog({ level: logLevel, destination: { write: (line: string) => void lines.push(line) } })
  const metricsRegistry = createMetrics()
  const ids = createSeededIds(seed)
  return {
    clock,
    metricsRegistry,
    lines,
    logged: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
    depsOf: (service) => ({
      clock,
      log,
      ids,
      health: createHealth({ clock, log }),
      metrics: metricsRegistry.forService(service),
    }),
  }
}
