import type { Clock, Logger } from '@belfry/service'
import type { Handler, Handlers } from '@belfry/worker'
import { createRunnerPool, type OutputLimits, type RunnerPool } from '@belfry/worker/runner'
import type { ExecutorConfig } from '../../config.ts'
import { createHandlersFolder } from './folder.ts'

export interface WithFolderOptions {
  readonly config: ExecutorConfig
  readonly limits: {
    readonly log: { readonly lines: number; readonly bytes: number; readonly lineBytes: number }
    readonly artifacts: number
    readonly artifactBytes: number
  }
  readonly clock: Clock
  readonly log: Logger
  /** The environment of the process; what it says to Belfry is not for handlers. */
  readonly env: NodeJS.ProcessEnv
}

function environmentOf(env: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return Object.fromEntries(entries.filter(([name]) => !name.startsWith('BELFRY_')))
}

function createPool({ config, limits, clock, env }: WithFolderOptions): RunnerPool {
  const outputLimits: OutputLimits = {
    logLines: limits.log.lines,
    logBytes: limits.log.bytes,
    logLineBytes: limits.log.lineBytes,
    artifacts: limits.artifacts,
    artifactBytes: limits.artifactBytes,
  }
  return createRunnerPool({
    clock,
    limits: outputLimits,
    processes: config.executorHandlersProcesses,
    attemptsPerProcess: config.executorHandlersAttempts,
    memoryMb: config.executorHandlersMemoryMb,
    idleMs: config.executorHandlersIdleMs,
    loadMs: config.executorHandlersLoadMs,
    blockedMs: config.executorHandlersBlockedMs,
    env: environmentOf(env),
  })
}

/** The job types that ship, and those in the handlers folder, which `start` loads. */
export function withHandlersFolder(shipped: Handlers, options: WithFolderOptions): Handlers {
  const { config, clock, log } = options
  const types = new Map<string, Handler>(shipped.types)
  const pool = createPool(options)
  const isWatched = config.executorHandlersWatch
  const folder = createHandlersFolder({ folder: config.executorHandlers, isWatched, pool, clock, log, types })
  return {
    types,
    unusable: folder.unusable,
    start: folder.start,
    async close() {
      // A file that is being loaded holds up no stop: its process is ended.
      await Promise.all([folder.stop(), pool.close()])
      await shipped.close()
    },
  }
}
