import type { ServiceName } from '@belfry/contracts'
import { eventually } from '../belfry-process.ts'
import { mustBeIntact } from './acts/accounts.ts'
import type { Act } from './acts/act.ts'
import type { Host } from './host.ts'
import { createScript, Died, type ScriptRun } from './script.ts'

/** A point at which the process of a service is killed, and what leads to it. */
export interface Kill {
  readonly service: ServiceName
  /** The value of `BELFRY_CRASH_AT`. */
  readonly point: string
  readonly act: Act
}

/** How long a process may take to reach its point, milliseconds. */
const deathMs = 30_000

/** Runs the act, as often as it takes, until the process has died. */
async function playUntilDeath(host: Host, { service, point, act }: Kill): Promise<ScriptRun[]> {
  const scripts: ScriptRun[] = []
  const until = performance.now() + deathMs
  let script: ScriptRun | undefined
  while (!host.isGone(service)) {
    if (performance.now() > until) throw new Error(`${service} does not reach ${point}`)
    if (!script) scripts.push((script = createScript(host.url)))
    try {
      await act(script.begin(false), host.world)
      script = undefined
    } catch (error) {
      if (!(error instanceof Died)) throw error
    }
    await eventually('the death', async () => host.isGone(service) || undefined, 300).catch(() => undefined)
  }
  return scripts
}

/** Kills the process of a service at the point, starts it again, and lets the act go on to its end: everything must come right. */
export async function killAt(host: Host, kill: Kill): Promise<void> {
  await host.arm(kill.service, kill.point)
  const scripts = await playUntilDeath(host, kill)
  const end = await host.endOf(kill.service)
  if (end !== 'SIGKILL') throw new Error(`${kill.service} ended with ${end}`)
  await host.start(kill.service)
  for (const script of scripts) await kill.act(script.begin(true), host.world)
  await mustBeIntact(createScript(host.url).begin(true), host.world)
}
