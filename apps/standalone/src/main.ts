import { fail, stopOnSignals } from '@belfry/bootstrap'
import { bannerText, secondStart, stoppingText } from './banner.ts'
import { AlreadyRunning, openStandalone } from './standalone.ts'

const isTerminal = process.stdout.isTTY === true

try {
  const belfry = await openStandalone(process.env, { pretty: isTerminal, onFatal: () => process.exit(1) })
  const { url, dataDir, log, firstAdminUrl } = belfry
  if (isTerminal) process.stdout.write(bannerText(belfry))
  else log.info({ url, dataDir, docs: `${url}/docs`, firstAdminUrl }, 'Belfry is ready')
  stopOnSignals((signal) => {
    const { graceMs } = belfry
    const runs = belfry.running()
    const text = stoppingText(runs, graceMs)
    if (isTerminal) process.stdout.write(`\n  ${text}\n`)
    else log.info({ signal, runs, graceMs }, text)
    return belfry.stop()
  })
} catch (error) {
  if (!(error instanceof AlreadyRunning)) fail(error)
  const { text, code } = secondStart(error.dataDir, error.address, isTerminal)
  const stream = code === 0 ? process.stdout : process.stderr
  stream.write(text, () => process.exit(code))
}
