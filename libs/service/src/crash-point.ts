import { readFileSync } from 'node:fs'
import { ConfigError } from './config.ts'

/** Points at which a proof kills the process, to check the restart. */
export interface CrashPoints {
  /** `step` is the name of a durable step (`executions.claim`); kills the process when this is the crash point. */
  at(step: string, phase: 'before' | 'after'): void
}

const nowhere: CrashPoints = { at: () => undefined }

/** One point, from the moment at which it is set. Throws `ConfigError` for a text that names none. */
function createPoint(spec: string, kill: () => void): CrashPoints {
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

/** Waits for the file at `path`, whose text is the point: looked for at each step, until it is there. */
function createPointOfFile(path: string, kill: () => void): CrashPoints {
  let point: CrashPoints | undefined
  const read = () => {
    try {
      return createPoint(readFileSync(path, 'utf8').trim(), kill)
    } catch (error) {
      if (error instanceof ConfigError) throw error
      return undefined
    }
  }
  return {
    at(step, phase) {
      point ??= read()
      point?.at(step, phase)
    },
  }
}

/**
 * `spec` is the value of `BELFRY_CRASH_AT`: `<step>:before` or `<step>:after`, with `#n` for the n-th time (from 1); or `@` and the path
 * of a file that a proof writes later, with such a text in it, so that a process is at work before its point is set.
 * Without one nothing happens, at the cost of an empty call. `kill` must not return: as after a `kill -9` no code tidies up.
 */
export function createCrashPoints(
  spec: string | undefined,
  kill: () => void = () => process.kill(process.pid, 'SIGKILL'),
): CrashPoints {
  if (!spec) return nowhere
  return spec.startsWith('@') ? createPointOfFile(spec.slice(1), kill) : createPoint(spec, kill)
}
