import { afterAll, beforeAll, inject } from 'vitest'
import { raisedLimits } from '../../proof/belfry-process.ts'
import { type Caller, createCaller, signUp } from '../../proof/caller.ts'
import { fleetPeers, startFleet } from '../../proof/fleet.ts'
import { openOneProcess } from '../../proof/one-process.ts'
import { bootstrapToken, patience } from './fleet-setup.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Starts the separate processes that the flows run against, and answers the gateway's address; see `fleet-setup.ts`. */
    fleetStarter?: string
    /** The address of `BASE_URL`, where that is set: in a test Vitest sets the variable to the path of a page. */
    baseUrl?: string | undefined
  }
}

const baseUrl = inject('baseUrl')
/** The Belfry is one at `BASE_URL`: it has settings of its own, and does not reach what listens in the process of a test. */
export const isElsewhere = baseUrl !== undefined

/** What a flow test has: the address, and a user who is logged in. */
export interface Flow {
  readonly url: string
  readonly user: Caller
  /** An admin; a Belfry at `BASE_URL` needs its `BELFRY_BOOTSTRAP_TOKEN` in the environment. */
  admin(): Promise<Caller>
  /** Undefined for a Belfry at `BASE_URL`. */
  readonly mode: 'standalone' | 'distributed' | undefined
}

interface OpenBelfry {
  readonly url: string
  close(): Promise<void>
}
/** How long the start may take, milliseconds: that of separate processes on a busy machine takes longest. */
const startMs = 180_000

type Settings = Readonly<Record<string, string>>

/** As a developer has it on one machine. */
const openStandalone = (env: Settings): Promise<OpenBelfry> =>
  openOneProcess({
    BELFRY_EXECUTOR_ALLOW_PRIVATE: 'true',
    BELFRY_LOG_LEVEL: 'error',
    BELFRY_BOOTSTRAP_TOKEN: bootstrapToken,
    ...raisedLimits,
    ...env,
  })

/** Tests with settings of their own get processes of their own. */
async function openProcesses(starter: string, env: Settings): Promise<OpenBelfry> {
  const peers = fleetPeers()
  if (peers && Object.keys(env).length > 0) {
    const fleet = await startFleet({
      peers,
      env: { ...patience, BELFRY_BOOTSTRAP_TOKEN: bootstrapToken, ...env },
      deadlineMs: 120_000,
    })
    return { url: fleet.url, close: fleet.stop }
  }
  const answer = await fetch(starter)
  const text = await answer.text()
  if (!answer.ok) throw new Error(text)
  return { url: text, close: async () => undefined }
}

/** The admin of all flows: the first one who asks makes it. */
async function logInAsAdmin(url: string): Promise<Caller> {
  const anonymous = createCaller(url, null)
  const credentials = { username: 'flow-admin', password: 'correct horse battery' }
  const token = process.env.BELFRY_BOOTSTRAP_TOKEN ?? bootstrapToken
  await anonymous.call('POST', '/auth/bootstrap', { token, ...credentials })
  const { status, body } = await anonymous.call<{ token: string }>('POST', '/auth/login', credentials)
  if (status !== 200) throw new Error(`the admin cannot log in: ${JSON.stringify(body)}`)
  const admin = createCaller(url, body.token)
  const me = await admin.call<{ roles: string[] }>('GET', '/auth/me')
  if (!me.body.roles.includes('admin')) throw new Error('there is no admin: set BELFRY_BOOTSTRAP_TOKEN for the flows')
  return admin
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
    admin: () => logInAsAdmin(flow.url),
  }
  let close: () => Promise<void> = async () => {}
  beforeAll(async () => {
    const starter = inject('fleetStarter')
    if (baseUrl !== undefined) flow.url = baseUrl
    else {
      const belfry = await (starter ? openProcesses(starter, env) : openStandalone(env))
      flow.url = belfry.url
      flow.mode = starter ? 'distributed' : 'standalone'
      close = belfry.close
    }
    flow.user = await signUp(flow.url)
  }, startMs)
  afterAll(() => close())
  return flow
}
