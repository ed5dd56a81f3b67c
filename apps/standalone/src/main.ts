import { ConfigError } from '@belfry/service'
import { StorageError } from '@belfry/storage'
import { alreadyRunningText, bannerText } from './banner.ts'
import { AlreadyRunning, openStandalone } from './standalone.ts'

const isTerminal = process.stdout.isTTY === true

function fail(error: unknown): never {
  const isExpected = error instanceof ConfigError || error instanceof StorageError
  process.stderr.write(`${isExpected ? error.message : error instanceof Error ? error.stack : error}\n`)
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
