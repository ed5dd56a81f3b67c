import type { ServiceName } from '@belfry/contracts'
import { eventually } from '../belfry-process.ts'
import { createCaller } from '../caller.ts'
import { mustBeIntact } from './acts/accounts.ts'
import { acts } from './acts/index.ts'
import type { Way } from './coverage.ts'
import type { Host } from './host.ts'
import { createScript, Died, type ScriptRun } from './script.ts'

/** A point at which the process of a service is killed, and how it comes there. */
export interface Kill {
  readonly service: ServiceName
  /** The value of `BELFRY_CRASH_AT`. */
  readonly point: string
  readonly way: Way
}

/** How long a process may take to reach its point, milliseconds: rows of the audit log on MongoDB are sealed when they are a minute old. */
const deathMs = 100_000

async function dead(host: Host, { service, point }: Kill): Promise<void> {
  await eventually(`${service} to die at ${point}`, async () => host.isGone(service) || undefined, deathMs)
  const end = await host.endOf(service)
  if (end !== 'SIGKILL') throw new Error(`${service} ended with ${end} at ${point}:\n${host.output(service)}`)
}

/** One run of the act; whether it came to its end. */
async function play(host: Host, { way }: Kill, script: ScriptRun): Promise<boolean> {
  try {
    await acts[way.act](script.begin(false), host.world)
    return true
  } catch (error) {
    if (error instanceof Died) return false
    throw error
  }
}

/** Runs the act, as often as it takes, until the process has died. `scripts`: those that are under way; others are added. */
async function playUntilDeath(host: Host, kill: Kill, scripts: ScriptRun[]): Promise<void> {
  const until = performance.now() + deathMs
  let script = scripts.at(-1)
  while (!host.isGone(kill.service) && performance.now() < until) {
    if (!script) {
      script = createScript(host.url)
      scripts.push(script)
    }
    if (await play(host, kill, script)) script = undefined
    await eventually('the death', async () => host.isGone(kill.service) || undefined, 300).catch(() => undefined)
  }
  await dead(host, kill)
}

/** A run of the act is at work when `strike` comes. */
async function strikeAtWork(host: Host, kill: Kill, strike: () => Promise<void>): Promise<ScriptRun> {
  const script = createScript(host.url)
  let isStruck = false
  const playOn = async () => {
    while (!(isStruck || (await play(host, kill, script))));
  }
  const played = playOn()
  const running = '/executions?status=RUNNING&limit=1'
  await eventually(
    'a run to be at work',
    async () => {
      const caller = createCaller(host.url(), host.world.user)
      const answer = await caller.call<{ data?: readonly unknown[] }>('GET', running).catch(() => null)
      return (answer?.body.data?.length ?? 0) > 0 || undefined
    },
    deathMs,
  )
  isStruck = true
  await strike()
  await played
  return script
}

/** Leads the process to its death, and answers the scripts that were under way. */
async function die(host: Host, kill: Kill): Promise<ScriptRun[]> {
  const { service, point, way } = kill
  const scripts: ScriptRun[] = []
  const playOn = async (at: string) => {
    await host.arm(service, at)
    await playUntilDeath(host, { ...kill, point: at }, scripts)
  }
  const startAndDie = async () => {
    await host.start(service, point)
    await dead(host, kill)
  }
  if (way.at === 'start') {
    host.stop(service)
    await host.endOf(service)
    await startAndDie()
  } else if (way.at === 'take-over') {
    scripts.push(await strikeAtWork(host, kill, () => host.kill(service)))
    await startAndDie()
  } else if (way.at === 'stop') {
    const strike = async () => {
      await host.arm(service, point)
      host.stop(service)
    }
    scripts.push(await strikeAtWork(host, kill, strike))
    await dead(host, kill)
  } else if (way.poison) {
    await host.arm(service, point)
    await host.spoil?.(way.poison)
    await dead(host, kill)
  } else {
    if (way.without) await host.kill(way.without)
    if (way.first) {
      await playOn(way.first)
      // What the start itself repairs may be the step: so it has its point from the start.
      await host.start(service, point)
      await playUntilDeath(host, kill, scripts)
    } else await playOn(point)
  }
  return scripts
}

/** Kills the process of a service at the point, starts it again, and lets the act go on to its end: everything must come right. */
export async function killAt(host: Host, kill: Kill): Promise<void> {
  const scripts = await die(host, kill)
  await host.start(kill.service)
  if (kill.way.without) await host.start(kill.way.without)
  if (scripts.length === 0) scripts.push(createScript(host.url))
  for (const script of scripts) await acts[kill.way.act](script.begin(true), host.world)
  await mustBeIntact(createScript(host.url).begin(true), host.world)
}
