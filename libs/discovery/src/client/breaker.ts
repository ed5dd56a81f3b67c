import { EventEmitter } from 'node:events'
import type { Clock } from '@belfry/service'
import CircuitBreaker from 'opossum'

export const breakerStates = ['closed', 'open', 'half-open'] as const
export type BreakerState = (typeof breakerStates)[number]

/** When a breaker opens and closes (operations.md, breakers). */
export interface BreakerConfig {
  /** Time to the first byte of an answer, milliseconds; later is a failure. */
  readonly timeoutMs: number
  /** It opens when more than this share of the calls of the last 20 s failed. */
  readonly errorPercent: number
  /** How long it stays open before one call may try again, milliseconds. */
  readonly resetMs: number
}

/**
 * The calls that the share of failures is taken of: those of the last 20 s, forgotten in steps of 2 s. Long enough for a
 * service that hangs to be found out by one caller, who sees a failure every 3 s.
 */
export const windowMs = 20_000
const buckets = 10
/** Fewer calls than this in the window prove nothing. */
const leastCalls = 5
/** opossum's own timers are replaced by the clock; this is the longest wait that `setTimeout` takes, and never ends. */
const never = 2_147_483_647

/** What an error says about the instance: it counts as failed, as working, or not at all. */
export type Verdict = 'failed' | 'working' | 'uncounted'

/** Guards one instance. */
export interface Breaker<C, R> {
  /** Whether a call may go out now; when not, `run` must not be called. */
  allows(): boolean
  /** Makes the call, and counts what comes of it: an answer as working, an error by its verdict. */
  run(call: C): Promise<R>
  state(): BreakerState
  /** How long it stays open from now, milliseconds; 0 when it is not. */
  openForMs(): number
  close(): void
}

export interface BreakerOptions<C> {
  clock: Clock
  config: BreakerConfig
  judge: (error: unknown, call: C) => Verdict
}

/**
 * opossum behind the clock that was handed in. opossum waits for its reset and turns its window by timers of its own; here
 * both are looked at when a call comes: nothing wakes an idle process, and a test turns the breaker by hand. It cannot be
 * told to go half-open, but it can be born so: a reset replaces it, which also forgets the failures that opened it. opossum
 * counts every call that it makes, so calls are made here and it gets the outcomes that count.
 */
export function createBreaker<C, R>(
  action: (call: C) => Promise<R>,
  { clock, config, judge }: BreakerOptions<C>,
): Breaker<C, R> {
  const window = new EventEmitter()
  let turnedAt = clock.monotonic()
  let openedAt = 0
  /** The one call that may go out while it is half-open is on its way. */
  let isTrying = false

  const build = (isHalfOpen: boolean) => {
    const circuit = new CircuitBreaker<[hasFailed: boolean], void>(settle, {
      timeout: false,
      resetTimeout: never,
      errorThresholdPercentage: config.errorPercent,
      volumeThreshold: leastCalls,
      rollingCountTimeout: windowMs,
      rollingCountBuckets: buckets,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      rotateBucketController: window,
      ...(isHalfOpen ? { state: { enabled: true, closed: false, halfOpen: true } as CircuitBreaker.State } : {}),
    })
    circuit.on('open', () => {
      openedAt = clock.monotonic()
    })
    return circuit
  }

  let circuit = build(false)
  const openForMs = () => (circuit.opened ? Math.max(0, openedAt + config.resetMs - clock.monotonic()) : 0)

  const turnWindow = () => {
    const bucketMs = windowMs / buckets
    const due = Math.floor((clock.monotonic() - turnedAt) / bucketMs)
    turnedAt += due * bucketMs
    for (let turn = 0; turn < Math.min(due, buckets); turn++) window.emit('rotate')
  }

  /** A call that began before a reset counts for the circuit of its own time, which is no longer asked. */
  const count = async (counting: typeof circuit, verdict: Verdict) => {
    turnWindow()
    if (verdict !== 'uncounted') await counting.fire(verdict === 'failed').catch(ignore)
    if (counting === circuit) isTrying = false
  }

  return {
    allows: () => circuit.closed || (circuit.halfOpen ? !isTrying : openForMs() === 0),
    async run(call) {
      if (circuit.opened) {
        circuit.shutdown()
        circuit = build(true)
      }
      isTrying = circuit.halfOpen
      const counting = circuit
      try {
        const answer = await action(call)
        await count(counting, 'working')
        return answer
      } catch (error) {
        await count(counting, judge(error, call))
        throw error
      }
    },
    state() {
      if (circuit.closed) return 'closed'
      return openForMs() > 0 ? 'open' : 'half-open'
    },
    openForMs,
    close: () => circuit.shutdown(),
  }
}

/** What opossum is given for an outcome. */
async function settle(hasFailed: boolean): Promise<void> {
  if (hasFailed) throw new Error('failed')
}

function ignore(): void {}
