import { createPrivateKey, randomBytes } from 'node:crypto'
import { openStores } from '@belfry/auth-service'
import { createServiceTokens } from '@belfry/http'
import { createSystemClock } from '@belfry/service'
import { openStandalone } from '@belfry/standalone'
import { createTestDeps } from '@belfry/testkit'
import { makeDataDir } from '../belfry-process.ts'
import { type Fleet, type PeerUrls, startFleet } from '../fleet.ts'
import { type LiveRoute, watchServices } from './live-routes.ts'
import { isCopy } from './targets.ts'
import { enterWorld, type SigningKey, settings, type World } from './world.ts'

/** The routes of a Belfry in this process: the processes of a fleet mount the same ones, and have no router that is seen from here. */
async function readRoutes(): Promise<LiveRoute[]> {
  const folder = await makeDataDir()
  const services = watchServices()
  try {
    const belfry = await openStandalone({ ...settings, BELFRY_DATA_DIR: folder.path, BELFRY_PORT: '0' })
    const routes = services.routes()
    await belfry.stop()
    return routes
  } finally {
    services.stop()
    await folder.remove()
  }
}

/** The database of auth-service, as its processes open it. */
async function readSigningKey({ name, peers }: Fleet): Promise<SigningKey> {
  const thread = () => {
    throw new Error('a store on MongoDB needs no store thread')
  }
  const url = peers.mongo.replace(/^(mongodb:\/\/[^/?]+)\/?/, `$1/${name}-auth`)
  const stores = await openStores(url, { ...createTestDeps().depsOf('auth-service'), thread })
  try {
    const [found] = await stores.keys.list()
    if (!found) throw new Error(`${url} has no signing key`)
    return { kid: found.kid, key: createPrivateKey(found.privatePem), publicX: found.publicX }
  } finally {
    await stores.close()
  }
}

/** One process per service on real servers, and callers of every kind. */
export async function openFleetWorld(peers: PeerUrls): Promise<World> {
  const routes = await readRoutes()
  const [serviceKey, bootstrapToken] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')]
  const env = {
    ...{ ...settings, BELFRY_SERVICE_KEY: serviceKey, BELFRY_JOB_NOTIFY_ALLOW_PRIVATE: 'true' },
    // The proof is about who is let in, not about how long a busy machine takes.
    BELFRY_BREAKER_TIMEOUT_MS: '30000',
  }
  const fleet = await startFleet({ peers, env, envOf: { 'auth-service': { BELFRY_BOOTSTRAP_TOKEN: bootstrapToken } } })
  try {
    const tokens = createServiceTokens({ key: serviceKey, clock: createSystemClock() })
    const originOf = (route: LiveRoute) => fleet.members.find(({ service }) => service === route.service)?.url
    return await enterWorld({
      ...{ url: fleet.url, key: await readSigningKey(fleet), bootstrapToken },
      // The dialects of a route are the same objects in both modes: those are called standalone.
      routes: () =>
        routes
          .filter((route) => !isCopy(route))
          .map((route) => ({ ...route, origin: originOf(route) ?? route.origin })),
      serviceToken: () => tokens.sign('gateway'),
      close: fleet.stop,
    })
  } catch (error) {
    await fleet.stop()
    throw error
  }
}
