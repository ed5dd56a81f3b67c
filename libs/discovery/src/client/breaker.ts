import type { Clock } from '@belfry/service'
import CircuitBreaker from 'opossum'

export const breakerStates = ['closed', 'open', 'half-open'] as const
export type BreakerState = (typeof breakerStates)[number]

/** When a breaker opens and closes (docs/configuration.md, `BELFRY_BREAKER_…`). */
export interface BreakerConfig {
  /** Time to the first byte of an answer, milliseconds; later is a failure. */
  readonly timeoutMs: number
  /** It opens when more than this share of the calls of the last 20 s failed. */
  readonly errorPercent: number
  /** How long it stays open before one call may try again, milliseconds. */
  readonly resetMs: number
}

/**
 * The calls that the share of failures is taken of: those of the last 20 s, forgotten in steps of 2 s. Long enough to detect
 * a service that hangs by the calls of one caller, which fail every 3 s.
 */
export const windowMs = 20_000
const buckets = 10
/** Fewer calls than this in the window prove nothing. */
const leastCalls = 5

/** What an error says about the instance: it counts as failed, as working, or not at all. */
export type Verdict = 'failed' | 'working' | 'uncounted'

/** Counts the outcome of one call, then goes on. Called once. */
type ReportOutcome = (verdict: Verdict, next: () => void) => void

/** Guards one instance. */
export interface Breaker {
  /** Whether a call may go out now; when not, `begin` must not be called. */
  allows(): boolean
  /** A call goes out: answers the function that takes its outcome. */
  begin(): ReportOutcome
  state(): BreakerState
  /** How long it stays open from now, milliseconds; 0 when it is not. */
  openForMs(): number
  close(): void
}

export interface BreakerOptions {
  clock: Clock
  config: BreakerConfig
}

/** The action of the circuit: it takes the outcome of a call that was made. */
async function report(hasFailed: boolean): Promise<void> {
  if (hasFailed) throw new Error('failed')
}

function ignore(): void {}

function openCircuit(config: BreakerConfig) {
  return new CircuitBreaker<[hasFailed: boolean], void>(report, {
    timeout: false,
    resetTimeout: config.resetMs,
    errorThresholdPercentage: config.errorPercent,
    volumeThreshold: leastCalls,
    rollingCountTimeout: windowMs,
    rollingCountBuckets: buckets,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
  })
}

/**
 * An opossum circuit over the outcomes of calls. opossum counts every call that it makes; it makes none here, so that a
 * call may be left uncounted, and that calls under way do not count as working. While the circuit is half-open, one call
 * at a time may try the instance, and only the outcome of such a call counts.
 * A call that worked while the circuit is closed changes nothing but two counts: it is reported by the events that opossum counts by,
 * without the promises of `fire`.
 */
export function createBreaker({ clock, config }: BreakerOptions): Breaker {
  let circuit = openCircuit(config)
  let openedAt = 0
  let isTrying = false

  const onOpen = () => {
    openedAt = clock.monotonic()
  }
  /** A new circuit: the window of the old one still holds the failures that opened it. */
  const onClose = () => {
    circuit.shutdown()
    circuit = openCircuit(config).on('open', onOpen).on('close', onClose)
  }
  circuit.on('open', onOpen).on('close', onClose)

  const countWorking = () => {
    circuit.emit('fire', [false])
    circuit.emit('success', undefined, 0)
  }

  const reportOf =
    (begun: typeof circuit, isTrial: boolean): ReportOutcome =>
    (verdict, next) => {
      const mayCount = verdict !== 'uncounted' && begun === circuit && (begun.closed || (isTrial && begun.halfOpen))
      const end = () => {
        if (isTrial) isTrying = false
        next()
      }
      if (!mayCount) end()
      else if (verdict === 'working' && begun.closed) {
        countWorking()
        end()
      } else
        begun
          .fire(verdict === 'failed')
          .catch(ignore)
          .then(end)
    }

  return {
    allows: () => circuit.closed || (circuit.halfOpen && !isTrying),
    begin() {
      const isTrial = circuit.halfOpen
      if (isTrial) isTrying = true
      return reportOf(circuit, isTrial)
    },
    state: () => (circuit.closed ? 'closed' : circuit.halfOpen ? 'half-open' : 'open'),
    openForMs: () => (circuit.opened ? Math.max(0, openedAt + config.resetMs - clock.monotonic()) : 0),
    close: () => circuit.shutdown(),
  }
}
