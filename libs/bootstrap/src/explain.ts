import { ConfigError } from '@belfry/service'
import { StorageError } from '@belfry/storage'

/** The process cannot start. Its message is written for people. */
export class StartError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StartError'
  }
}

const listenReasons: Record<string, string> = {
  EADDRINUSE: 'another program has this port',
  EACCES: 'this user may not take this port',
  EPERM: 'this user may not take this port',
  EADDRNOTAVAIL: 'this machine does not have this address',
  ENOTFOUND: 'this name has no address',
  EAI_AGAIN: 'this name cannot be looked up',
}

/** An error of listening, as a sentence for people; undefined when it is another error. */
function listenErrorText(error: Error): string | undefined {
  const { code = '', address, hostname, port } = error as NodeJS.ErrnoException & Record<string, string | undefined>
  const reason = listenReasons[code]
  const where = address ?? hostname
  if (reason === undefined || where === undefined) return undefined
  const target = port === undefined ? where : `${where}, port ${port}`
  return `Belfry cannot listen on ${target}: ${reason}. See BELFRY_HOST, BELFRY_PORT and those of the services.`
}

/** An error of the environment or the disk as a sentence, and a bug with its stack. */
export function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof StorageError || error instanceof StartError) return error.message
  if (error instanceof AggregateError) return error.errors.map(explain).join('\n')
  if (!(error instanceof Error)) return String(error)
  if (error.cause instanceof StorageError) return `${error.message}: ${error.cause.message}`
  return listenErrorText(error) ?? String(error.stack)
}

/** Prints the error on stderr and ends the process with code 1. */
export function fail(error: unknown): never {
  process.stderr.write(`${explain(error)}\n`)
  process.exit(1)
}
