import { randomBytes } from 'node:crypto'
import { createBase, setThreads } from '@belfry/bootstrap'
import { createLifecycle, createLog, readConfig } from '@belfry/service'
import { standaloneConfig } from '@belfry/standalone'
import { openStoreThread } from '@belfry/storage/sqlite'
import { openServices, partsOf } from '../../apps/standalone/src/services.ts'
import { makeDataDir, raisedLimits } from '../belfry-process.ts'
import { type Caller, createCaller, signUp } from '../caller.ts'

/** A log line of a service at `error` or above. */
export interface LoggedError {
  readonly msg: string
  readonly service?: string
  readonly err?: { readonly message?: string; readonly stack?: string }
}

/** The five services in this process, with their bus and their addresses. */
export type System = Awaited<ReturnType<typeof openSystem>>

/** Limits that hide routes are raised; hashes are short, since what is tried is not their strength. */
const settings = {
  ...raisedLimits,
  BELFRY_PORT: '0',
  BELFRY_LOG_LEVEL: 'error',
  BELFRY_AUTH_LOGINS_PER_MINUTE: '1000000',
  BELFRY_GATEWAY_LOGINS_PER_MINUTE: '1000000',
  BELFRY_GATEWAY_SIGNUPS_PER_MINUTE: '1000000',
  BELFRY_GATEWAY_SIGNUPS_PER_HOUR: '1000000',
  BELFRY_GATEWAY_REFRESHES_PER_MINUTE: '1000000',
  BELFRY_GATEWAY_UNKNOWN_API_KEYS_PER_MINUTE: '1000000',
  BELFRY_AUTH_HASH_MEMORY_KIB: '8',
  BELFRY_AUTH_HASH_PASSES: '1',
}

function readLines(errors: LoggedError[]) {
  return {
    write(line: string) {
      const { level, ...read } = JSON.parse(line) as LoggedError & { level: number | string }
      if (errors.length < 2000 && level !== 'info') errors.push(read)
    },
  }
}

/** Opens the services as `apps/standalone` does. The caller closes them. */
export async function openSystem() {
  const folder = await makeDataDir()
  const bootstrapToken = randomBytes(32).toString('hex')
  const env = { ...settings, BELFRY_DATA_DIR: folder.path, BELFRY_BOOTSTRAP_TOKEN: bootstrapToken }
  const config = readConfig(standaloneConfig, env)
  setThreads(config)
  const errors: LoggedError[] = []
  const log = createLog({ level: config.logLevel, destination: readLines(errors) })
  const base = createBase('fuzz', log)
  const thread = openStoreThread({ metrics: base.metrics, onFatal: (error) => Promise.reject(error) })
  const services = await openServices(config, folder.path, base, () => thread)
  const life = createLifecycle([
    { name: 'store thread', stop: thread.close },
    { name: 'bus', stop: services.bus.close },
    { name: 'calls', stop: services.closeCalls },
    ...partsOf(services),
  ])
  await life.start()
  const { gateway, auth, job, scheduler, executor, bus } = services
  const url = await gateway.start()
  const direct = await Promise.all([auth, job, scheduler, executor].map((one) => one.start()))
  const anonymous = createCaller(url, null)
  const credentials = { username: 'fuzz-admin', password: 'correct horse battery', token: bootstrapToken }
  const admin = await anonymous.call('POST', '/auth/bootstrap', credentials)
  const login = await anonymous.call<{ token: string }>('POST', '/auth/login', { ...credentials, token: undefined })
  if (login.status !== 200) throw new Error(`no admin: ${JSON.stringify([admin.body, login.body])}`)
  const callers: Caller[] = [await signUp(url), createCaller(url, login.body.token), anonymous]
  return {
    /** The addresses of the gateway and of the services. */
    url,
    direct,
    /** A user, an admin, and one without a token. */
    callers,
    bus,
    base,
    errors,
    async close() {
      await life.stop()
      await folder.remove()
    },
  }
}
