import { type Clock, createLoop, type Logger } from '@belfry/service'
import type { Instance } from '../port.ts'

/** How often a registration that failed is tried again, milliseconds. */
const retryMs = 1_000

export interface RegistrationOptions {
  readonly instance: Instance
  readonly clock: Clock
  readonly log: Logger
  /** Registers the instance with Consul. */
  readonly register: () => Promise<void>
}

/** Keeps one instance registered. */
export interface ConsulRegistration {
  readonly instance: Instance
  /** Resolves after the first try, which may fail: further tries follow. */
  start(): Promise<void>
  /** No try begins any more, and none is at work. */
  stop(): Promise<void>
  /** Whether Consul lists the instance. If not, it lost its data, or the check failed for too long: the registration is repeated. */
  seen(isListed: boolean): void
  /** Why the newest try failed; undefined while there is none, and after one that succeeded. */
  failure(): unknown
}

export function createRegistration({ instance, clock, log, register }: RegistrationOptions): ConsulRegistration {
  let isNeeded = true
  let failure: unknown
  const loop = createLoop({
    name: 'registration',
    everyMs: retryMs,
    clock,
    log,
    async runOnce() {
      if (!isNeeded) return
      try {
        await register()
        failure = undefined
      } catch (error) {
        failure = error
        throw error
      }
      isNeeded = false
      log.info({ instance: instance.id }, 'registered with Consul')
    },
  })
  return {
    instance,
    async start() {
      // The loop logs failures, and repeats.
      await loop.runOnce().catch(() => undefined)
      loop.start()
    },
    stop: loop.stop,
    seen(isListed) {
      // The answer to a registration may be lost, and an answer to a query may be older than the registration.
      const wasNeeded = isNeeded
      isNeeded = !isListed
      if (isListed) failure = undefined
      if (isNeeded && !wasNeeded) loop.nudge()
    },
    failure: () => failure,
  }
}
