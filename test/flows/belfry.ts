import { openStandalone } from '@belfry/standalone'
import { afterAll, beforeAll, inject } from 'vitest'
import { makeDataDir, raisedLimits } from '../../proof/belfry-process.ts'
import { type Caller, signUp } from '../../proof/caller.ts'
import { fleetPeers, startFleet } from '../../proof/fleet.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The gateway of the separate processes that the flows run against; see `fleet-setup.ts`. */
    fleetUrl?: string
  }
}

/** What a flow test has: the address, and a user who is logged in. */
export interface Flow {
  readonly url: string
  readonly user: Caller
  /** Undefined for a Belfry at `BASE_URL`. */
  readonly mode: 'standalone' | 'distributed' | undefined
}

interface OpenBelfry {
  readonly url: string
  close(): Promise<void>
}
type Settings = Readonly<Record<string, string>>

async function openOneProcess(env: Settings): Promise<OpenBelfry> {
  const folder = await makeDataDir()
  const belfry = await openStandalone({
    BELFRY_DATA_DIR: folder.path,
    BELFRY_PORT: '0',
    BELFRY_EXECUTOR_ALLOW_PRIVATE: 'true',
    BELFRY_LOG_LEVEL: 'error',
    ...raisedLimits,
    ...env,
  })
  return {
    url: belfry.url,
    async close() {
      await belfry.stop()
      await folder.remove()
    },
  }
}

/** Tests with settings of their own get processes of their own. */
async function openProcesses(fleetUrl: string, env: Settings): Promise<OpenBelfry> {
  const peers = fleetPeers()
  if (Object.keys(env).length === 0 || !peers) return { url: fleetUrl, close: async () => undefined }
  const fleet = await startFleet({ peers, env: { BELFRY_LOG_LEVEL: 'warn', ...env } })
  return { url: fleet.url, close: fleet.stop }
}

/**
 * Gives the tests of one file a Belfry: the one at `BASE_URL`, or the separate processes of the project `distributed`, or a
 * standalone one in this process on a fresh data folder; `env` is added to the settings of the latter two. The flow is there
 * once `beforeAll` has run.
 */
export function useBelfry(env: Settings = {}): Flow {
  const flow: { -readonly [K in keyof Flow]: Flow[K] } = {
    url: '',
    user: undefined as unknown as Caller,
    mode: undefined,
  }
  let close: () => Promise<void> = async () => {}
  beforeAll(async () => {
    // Vitest sets the variable too, to the path of a page.
    const given = process.env.BASE_URL
    const fleetUrl = inject('fleetUrl')
    if (given?.startsWith('http')) flow.url = given
    else {
      const belfry = await (fleetUrl ? openProcesses(fleetUrl, env) : openOneProcess(env))
      flow.url = belfry.url
      flow.mode = fleetUrl ? 'distributed' : 'standalone'
      close = belfry.close
    }
    flow.user = await signUp(flow.url)
  })
  afterAll(() => close())
  return flow
}
