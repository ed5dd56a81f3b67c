import type { ManualClock, Timer } from '@belfry/service'
import { StorageError } from '@belfry/storage'
import type { Stores } from '../src/store/ports.ts'
import { mapStores } from './store/mapped-stores.ts'

/** From 0 up to 1, the same numbers for the same seed. */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) / 2 ** 24
  }
}

/** The clocks of one of several instances, which all follow `base`. */
export interface InstanceClock extends ManualClock {
  readonly isPaused: boolean
  /**
   * Stops the instance: nothing calls back, and no answer arrives, until `resume`. `stopped` as SIGSTOP does, while both clocks
   * go on; `suspended` as a virtual machine, whose monotonic clock stands still.
   */
  pause(kind: 'stopped' | 'suspended'): void
  /** Goes on: timers that are due call back first, then answers arrive. */
  resume(): void
  /** Resolves at once, or when the instance goes on. */
  awake(): Promise<void>
}

/** `skewMs`: by how much the wall clock of the instance differs. */
export function createInstanceClock(base: ManualClock, skewMs: number): InstanceClock {
  let pausedAt: number | null = null
  let kind: 'stopped' | 'suspended' = 'stopped'
  let stoodStillMs = 0
  let held: (() => void)[] = []
  let wake = Promise.withResolvers<void>()

  const monotonic = () => {
    const isStandingStill = pausedAt !== null && kind === 'suspended'
    return (isStandingStill ? (pausedAt ?? 0) : base.monotonic()) - stoodStillMs
  }
  const now = () => base.now() + skewMs

  /** Calls back through `arm` once `leftMs` says that it is due, and the instance is not paused. */
  function call(leftMs: () => number, arm: (leftMs: number, fire: () => void) => Timer, callback: () => void): Timer {
    let isCancelled = false
    const fire = () => {
      if (isCancelled) return
      if (pausedAt !== null) held.push(fire)
      else if (leftMs() > 0) timer = arm(leftMs(), fire)
      else callback()
    }
    let timer = arm(leftMs(), fire)
    return {
      cancel() {
        isCancelled = true
        timer.cancel()
      },
    }
  }

  return {
    now,
    monotonic,
    callAt: (at, callback) =>
      call(
        () => at - now(),
        (leftMs, fire) => base.callAt(base.now() + leftMs, fire),
        callback,
      ),
    callAfter(delayMs, callback) {
      const due = monotonic() + Math.max(0, delayMs)
      return call(() => due - monotonic(), base.callAfter, callback)
    },
    advance: base.advance,
    step: base.step,
    pending: base.pending,
    get isPaused() {
      return pausedAt !== null
    },
    pause(how) {
      if (pausedAt !== null) return
      pausedAt = base.monotonic()
      kind = how
      wake = Promise.withResolvers()
    },
    resume() {
      if (pausedAt === null) return
      if (kind === 'suspended') stoodStillMs += base.monotonic() - pausedAt
      pausedAt = null
      const due = held
      held = []
      for (const fire of due) fire()
      wake.resolve()
    },
    awake: () => (pausedAt === null ? Promise.resolve() : wake.promise),
  }
}

/** What goes wrong between one instance and its store. All are probabilities of a call, but `isCut`. */
export interface Trouble {
  /** Nothing gets through. */
  isCut: boolean
  unavailable: number
  /** The answer is lost, before the write, after it, or while the write is stored half a second later. */
  lost: number
  /** How long a call takes at most, milliseconds. */
  latencyMs: number
}

export const calm = (): Trouble => ({ isCut: false, unavailable: 0, lost: 0, latencyMs: 0 })

/** The stores as one instance reaches them. */
export function troubledStores(stores: Stores, clock: InstanceClock, trouble: Trouble, random: () => number): Stores {
  const sleep = (ms: number) => new Promise<void>((resolve) => clock.callAfter(ms, resolve))

  async function goWrong(name: string, call: () => Promise<unknown>): Promise<unknown> {
    if (trouble.isCut || random() < trouble.unavailable) throw new StorageError('unavailable', `cut: ${name}`)
    if (random() >= trouble.lost) return call()
    const when = random()
    if (when < 0.4) await call()
    else if (when < 0.8) void sleep(500).then(call, () => undefined)
    throw new StorageError('outcome-unknown', `lost: ${name}`)
  }

  return mapStores(stores, async (name, call) => {
    try {
      // On the way there and on the way back.
      if (trouble.latencyMs > 0) await sleep(random() * random() * trouble.latencyMs)
      const answer = await goWrong(name, call)
      if (trouble.latencyMs > 0) await sleep(random() * random() * trouble.latencyMs)
      return answer
    } finally {
      await clock.awake()
    }
  })
}
