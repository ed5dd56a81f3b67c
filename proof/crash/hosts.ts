import { fleetPeers, type PeerUrls } from '../fleet.ts'
import { acts } from './acts/index.ts'
import { createAtMost, processesAtATime } from './at-most.ts'
import { type Kill, killAt } from './chain.ts'
import { coverageOf, type StoreKind } from './coverage.ts'
import { type Host, openFleet, openStandalone } from './host.ts'
import { phases } from './points.ts'
import { createScript } from './script.ts'

/** Hosts that points take in turn: a fleet that starts for each of them would cost more than the proof. */
export interface Hosts {
  /** Kills a process of a host, and checks what came of it. A host on which anything is wrong is not used again. */
  kill(kill: Kill): Promise<void>
  close(): Promise<void>
}

/** The points of a store's steps that no scenario of crash-points.test.ts has, each with its name. */
export function killsOf(kind: StoreKind): (readonly [string, Kill])[] {
  return coverageOf(kind).flatMap(({ service, step, way }) => {
    if (way === undefined || way === 'scenario' || 'exempt' in way) return []
    return phases.map((phase) => {
      const point = `${step}:${phase}`
      return [`${service} ${point}`, { service, point, way }] as const
    })
  })
}

/** Fleets at a time; fewer by environment where other work loads the machine. They mostly wait: the bus takes 6 s to notice that a member of a group has died. */
const fleetsAtATime = Number(process.env.BELFRY_CRASH_FLEETS ?? 4)

/** A point may take long on a busy machine, milliseconds: it waits for its turn, and a whole fleet may have to start first. */
export const pointTimeoutMs = 600_000

export function createHosts(kind: StoreKind): Hosts {
  const free: Host[] = []
  const atMost = createAtMost(kind === 'sqlite' ? processesAtATime : fleetsAtATime)
  const open = (firstPoint?: string) =>
    kind === 'sqlite' ? openStandalone(firstPoint) : openFleet(fleetPeers() as PeerUrls)

  async function use(host: Host, kill: Kill, isUsedAgain: boolean): Promise<void> {
    try {
      await killAt(host, kill)
    } catch (error) {
      const output = host.output(kill.service)
      await host.close()
      throw new Error(`${kill.service} ${kill.point}: ${error instanceof Error ? error.message : error}\n${output}`)
    }
    if (isUsedAgain) free.push(host)
    else await host.close()
  }

  async function run(kill: Kill): Promise<void> {
    if (kill.way.at !== 'fresh') return use(free.pop() ?? (await open()), kill, true)
    const { act } = kill.way
    if (kind === 'mongo') return use(await open(), { ...kill, way: { act } }, false)
    // The first start dies, and the second one goes on: what is left is to work.
    const host = await open(kill.point)
    try {
      await acts[act](createScript(host.url).begin(true), host.world)
    } finally {
      await host.close()
    }
  }

  return {
    kill: (kill) => atMost(() => run(kill)),
    async close() {
      for (const host of free) await host.close()
    },
  }
}
