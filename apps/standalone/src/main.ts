import { constants } from 'node:os'
import { ConfigError } from '@belfry/service'
import { StorageError } from '@belfry/storage'
import { bannerText, secondStart, stoppingText } from './banner.ts'
import { listenErrorText, NoFreePort } from './port.ts'
import { AlreadyRunning, openStandalone, type Standalone } from './standalone.ts'

const isTerminal = process.stdout.isTTY === true

/** Prints an error of the environment or the disk as a sentence, and a bug with its stack. */
function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof StorageError || error instanceof NoFreePort) return error.message
  if (error instanceof AggregateError) return error.errors.map(explain).join('\n')
  if (!(error instanceof Error)) return String(error)
  if (error.cause instanceof StorageError) return `${error.message}: ${error.cause.message}`
  return listenErrorText(error) ?? String(error.stack)
}

function fail(error: unknown): never {
  process.stderr.write(`${explain(error)}\n`)
  process.exit(1)
}

/**
 * Signals this close together are one key press, milliseconds: the terminal signals every process of the foreground, and
 * npm passes the signal that it gets on to its child.
 */
const onePressMs = 500

/** The first signal stops in order and prints what it waits for; the second ends the process at once. */
function stopOnSignals({ log, graceMs, running, stop }: Standalone): void {
  let stoppingSince: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stoppingSince !== undefined) {
        if (performance.now() - stoppingSince > onePressMs) process.exit(128 + constants.signals[signal])
        return
      }
      stoppingSince = performance.now()
      const runs = running()
      const text = stoppingText(runs, graceMs)
      if (isTerminal) process.stdout.write(`\n  ${text}\n`)
      else log.info({ signal, runs, graceMs }, text)
      stop().then(() => process.exit(0), fail)
    })
  }
}

try {
  const belfry = await openStandalone(process.env, { pretty: isTerminal, onFatal: () => process.exit(1) })
  const { url, dataDir, log } = belfry
  if (isTerminal) process.stdout.write(bannerText(belfry))
  else log.info({ url, dataDir, docs: `${url}/docs` }, 'Belfry is ready')
  stopOnSignals(belfry)
} catch (error) {
  if (!(error instanceof AlreadyRunning)) fail(error)
  const { text, code } = secondStart(error.dataDir, error.address, isTerminal)
  const stream = code === 0 ? process.stdout : process.stderr
  stream.write(text, () => process.exit(code))
}
