import { fleetPeers, type PeerUrls } from '../fleet.ts'
import type { Kill } from './chain.ts'
import { killAt } from './chain.ts'
import type { StoreKind } from './coverage.ts'
import { type Host, openFleet, openStandalone } from './host.ts'

/** Hosts that points take in turn: a fleet that starts for each of them would cost more than the proof. */
export interface Hosts {
  /** Kills a process of a host, and checks what came of it. A host on which anything is wrong is not used again. */
  kill(kill: Kill): Promise<void>
  close(): Promise<void>
}

export function createHosts(kind: StoreKind): Hosts {
  const free: Host[] = []
  const open = (firstPoint?: string) =>
    kind === 'sqlite' ? openStandalone(firstPoint) : openFleet(fleetPeers() as PeerUrls)

  async function use(host: Host, kill: Kill, isKept: boolean): Promise<void> {
    try {
      await killAt(host, kill)
    } catch (error) {
      const output = host.output(kill.service)
      await host.close()
      throw new Error(`${kill.service} ${kill.point}: ${error instanceof Error ? error.message : error}\n${output}`)
    }
    if (isKept) free.push(host)
    else await host.close()
  }

  return {
    async kill(kill) {
      if (kill.way.at !== 'fresh') return use(free.pop() ?? (await open()), kill, true)
      const { act } = kill.way
      if (kind === 'mongo') return use(await open(), { ...kill, way: { act } }, false)
      // The first start dies, and the second one goes on: what is left is to work.
      const host = await open(kill.point)
      try {
        await host.world
      } finally {
        await host.close()
      }
    },
    async close() {
      for (const host of free) await host.close()
    },
  }
}
