import type { Clock } from './clock.ts'
import type { Logger } from './log.ts'

/** How one dependency does. */
export interface CheckReport {
  readonly name: string
  readonly ok: boolean
  /** How long the check took, milliseconds. */
  readonly latencyMs: number
  /** Since when it has been so, epoch milliseconds. */
  readonly since: number
  /** What an operator should know although the check passes. */
  readonly note?: string
}

export interface HealthReport {
  /** Whether the service accepts work: it was set ready, and every check passed that is not advisory. */
  readonly ready: boolean
  /** Empty unless requested. */
  readonly checks: readonly CheckReport[]
}

interface CheckOptions {
  /** It is reported and logged like the others, but the service stays ready: it takes work all the same. */
  readonly isAdvisory?: boolean
  /**
   * For how long the service stays ready while the check fails after it has passed, milliseconds. Default 0. What all instances of
   * a service depend on would otherwise take all of them away at once when it is slow for a moment.
   */
  readonly toleratedMs?: number
}

/** Readiness of one service (`/readyz`). Not ready until `setReady(true)`, and not ready again while it stops. */
export interface Health {
  /**
   * A check passes by returning or resolving; it fails by throwing, rejecting, or taking longer than the time limit. A
   * text that it answers is its note, which is public.
   */
  add(name: string, check: () => unknown, options?: CheckOptions): void
  setReady(ready: boolean): void
  /** Runs all checks side by side. The error of a failing one goes to the log, never into the report, which is public. */
  report(verbose: boolean): Promise<HealthReport>
}

export interface HealthOptions {
  clock: Clock
  log: Logger
  /** How long a check may take, milliseconds. */
  checkTimeoutMs?: number
}

interface Check {
  readonly name: string
  readonly run: () => unknown
  readonly isAdvisory: boolean
  readonly toleratedMs: number
  ok: boolean | null
  since: number
  /** When it began to fail after it had passed, monotonic milliseconds. */
  failsSince: number
}

export function createHealth({ clock, log, checkTimeoutMs = 1_000 }: HealthOptions): Health {
  const checks: Check[] = []
  let isReady = false

  const withinLimit = (check: Check) =>
    new Promise<unknown>((resolve, reject) => {
      const limit = clock.callAfter(checkTimeoutMs, () => reject(new Error(`took longer than ${checkTimeoutMs} ms`)))
      Promise.resolve()
        .then(check.run)
        .then(resolve, reject)
        .finally(() => limit.cancel())
    })

  const record = (check: Check, ok: boolean, err?: unknown) => {
    if (check.ok === ok) return
    if (check.ok === true) check.failsSince = clock.monotonic()
    if (!ok) log.warn({ err, check: check.name }, 'a dependency fails')
    else if (check.ok === false) log.info({ check: check.name }, 'a dependency works again')
    check.ok = ok
    check.since = clock.now()
  }

  const run = async (check: Check): Promise<CheckReport> => {
    const startedAt = clock.monotonic()
    const note = await withinLimit(check).then(
      (said) => {
        record(check, true)
        return said
      },
      (err: unknown) => record(check, false, err),
    )
    const latencyMs = Math.round(clock.monotonic() - startedAt)
    return {
      name: check.name,
      ok: check.ok === true,
      latencyMs,
      since: check.since,
      ...(typeof note === 'string' && { note }),
    }
  }

  const isFit = ({ ok, isAdvisory, failsSince, toleratedMs }: Check) =>
    ok === true || isAdvisory || clock.monotonic() - failsSince < toleratedMs

  return {
    add(name, check, { isAdvisory = false, toleratedMs = 0 } = {}) {
      const since = clock.now()
      checks.push({ name, run: check, isAdvisory, toleratedMs, ok: null, since, failsSince: Number.NEGATIVE_INFINITY })
    },
    setReady(ready) {
      isReady = ready
    },
    async report(verbose) {
      const reports = await Promise.all(checks.map(run))
      return { ready: isReady && checks.every(isFit), checks: verbose ? reports : [] }
    },
  }
}
