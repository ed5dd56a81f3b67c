export { backoffMs } from './backoff.ts'
export { type Batcher, createBatcher } from './batcher.ts'
export type { Clock, Timer } from './clock.ts'
export { type ClockWatchOptions, clockWatchConfig, createClockWatch, createSteadySince } from './clock-watch.ts'
export { ConfigError, type ConfigIssue, configKey, configKeys, readConfig } from './config.ts'
export { type CrashPoints, createCrashPoints } from './crash-point.ts'
export type { ServiceDeps } from './deps.ts'
export { type CheckReport, createHealth, type Health, type HealthOptions, type HealthReport } from './health.ts'
export { createIds, createSeededIds, type Ids } from './ids.ts'
export { createLifecycle, type Lifecycle, type Part } from './lifecycle.ts'
export { createLog, debugEach, type Logger, type LogLevelName, type LogOptions, logLevelNames } from './log.ts'
export { createLoop, type Loop, type LoopOptions, nextTurnAt } from './loop.ts'
export { createManualClock, type ManualClock } from './manual-clock.ts'
export {
  type Counter,
  createMetrics,
  type Gauge,
  type Histogram,
  type Labels,
  type Metrics,
  type MetricsRegistry,
} from './metrics.ts'
export { elapsedSince, type Moment, momentOf } from './moment.ts'
export { nearestName } from './nearest-name.ts'
export { pause } from './pause.ts'
export {
  createRetentionClock,
  type RetentionClock,
  retentionClockConfig,
  type TrustedMarks,
} from './retention-clock.ts'
export { ConflictError, retryOnConflict } from './retry-on-conflict.ts'
export { createRoundRobin, type RoundRobin } from './round-robin.ts'
export { secretKey } from './secret.ts'
export { createSlices, type Slices } from './slices.ts'
export { createSystemClock } from './system-clock.ts'
export { createWalkPace, walkPages } from './walk-pages.ts'
