import { ConfigError } from '@belfry/service'
import { StorageError } from '@belfry/storage'
import { alreadyRunningText, bannerText } from './banner.ts'
import { AlreadyRunning, openStandalone } from './standalone.ts'

const isTerminal = process.stdout.isTTY === true

/** What the environment or the disk is to blame for is told in a sentence; a stack is for faults of ours. */
function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof StorageError) return error.message
  if (error instanceof AggregateError) return error.errors.map(explain).join('\n')
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof StorageError ? `${error.message}: ${error.cause.message}` : String(error.stack)
}

function fail(error: unknown): never {
  process.stderr.write(`${explain(error)}\n`)
  process.exit(1)
}

try {
  const belfry = await openStandalone(process.env, { pretty: isTerminal, onFatal: () => process.exit(1) })
  const { url, dataDir, log } = belfry
  if (isTerminal) process.stdout.write(bannerText(belfry))
  else log.info({ url, dataDir, docs: `${url}/docs` }, 'Belfry is ready')

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping: what runs may finish, what waits is kept')
      belfry.stop().then(() => process.exit(0), fail)
    })
  }
} catch (error) {
  if (error instanceof AlreadyRunning) process.stdout.write(alreadyRunningText(error.dataDir, error.address))
  else fail(error)
}
