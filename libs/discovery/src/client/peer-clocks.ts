import type { ServiceName } from '@belfry/contracts'
import { type Clock, createLoop, type Health, type Logger, type Loop } from '@belfry/service'
import { z } from 'zod'

/** The key of the comparison with the clocks of other processes, in the configuration of a process. */
export const peerClocksConfig = {
  /**
   * From this difference on, between the own clock and that of an instance which answered a call, the log and `/readyz?verbose` say so,
   * milliseconds. `Date` counts whole seconds, so it is at least one second.
   */
  clockSkewMs: z.coerce.number().int().min(1_000).default(5_000),
}

/** How far the clock of an instance is from the own one, as its last answer shows it. */
export interface ClockView {
  readonly service: ServiceName
  /** The instance's id. */
  readonly target: string
  /** Milliseconds; positive when the instance's clock is ahead. */
  readonly aheadMs: number
}

export interface PeerClocksOptions {
  readonly deps: { readonly clock: Clock; readonly log: Logger; readonly health: Health }
  readonly balancer: { clocks(): ClockView[] }
  readonly config: { readonly clockWatchMs: number } & z.output<z.ZodObject<typeof peerClocksConfig>>
}

/** Public, so it names no instance. */
function noteOf({ service, aheadMs }: ClockView, others: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  const more = others === 0 ? '' : `; ${others} more differ`
  return `the clock of an instance of ${service} is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this one${more}`
}

/**
 * Says which instances have another time, because no process can see that its own clock is wrong. Which of the two clocks is wrong stays
 * open, so the service stays ready: a wrong clock of auth-service must not take all others away.
 */
export function createPeerClocks({ deps: { clock, log, health }, balancer, config }: PeerClocksOptions): Loop {
  let reported = new Set<string>()
  const differing = () =>
    balancer
      .clocks()
      .filter(({ aheadMs }) => Math.abs(aheadMs) >= config.clockSkewMs)
      .sort((a, b) => Math.abs(b.aheadMs) - Math.abs(a.aheadMs))

  health.add('peer clocks', () => {
    const [most, ...others] = differing()
    return most && noteOf(most, others.length)
  })

  function runOnce(): void {
    const found = differing()
    for (const { service, target, aheadMs } of found) {
      if (reported.has(target)) continue
      log.warn({ target, aheadMs }, `the clock of an instance of ${service} differs from the own one`)
    }
    const now = new Set(found.map(({ target }) => target))
    for (const target of reported) if (!now.has(target)) log.info({ target }, 'the clocks differ no more')
    reported = now
  }
  return createLoop({ name: 'peer clocks', everyMs: config.clockWatchMs, runOnce, clock, log })
}
