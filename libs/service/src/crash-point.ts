import { ConfigError } from './config.ts'

/** Points at which a proof kills the process, to check the restart. */
export interface CrashPoints {
  /** `step` is the name of a durable step (`executions.claim`); kills the process when this is the crash point. */
  at(step: string, phase: 'before' | 'after'): void
}

const nowhere: CrashPoints = { at: () => undefined }

/**
 * `spec` is the value of `BELFRY_CRASH_AT`: `<step>:before` or `<step>:after`, with `#n` for the n-th time (from 1).
 * Without one nothing happens, at the cost of an empty call. `kill` must not return: as after a `kill -9` no code tidies up.
 */
export function createCrashPoints(
  spec: string | undefined,
  kill: () => void = () => process.kill(process.pid, 'SIGKILL'),
): CrashPoints {
  if (!spec) return nowhere
  const parts = /^([^:#]+):(before|after)(?:#([1-9]\d{0,8}))?$/.exec(spec)
  if (!parts)
    throw new ConfigError([{ key: 'BELFRY_CRASH_AT', detail: `is not <step>:before or <step>:after: ${spec}` }])
  const [, step, phase] = parts
  let left = Number(parts[3] ?? 1)
  return {
    at(reached, reachedPhase) {
      if (reached !== step || reachedPhase !== phase) return
      left -= 1
      if (left === 0) kill()
    },
  }
}
