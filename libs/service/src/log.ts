import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'

/** Structured log lines (docs/log.md). Bind what stays the same with `child`; errors go under `err`. */
export type Logger = PinoLogger

export const logLevelNames = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevelName = (typeof logLevelNames)[number]

export interface LogOptions {
  /** Left out where one process holds several services: each then binds its own with `child({ service })`. */
  service?: string
  /** The process, when there are several of one service. */
  instance?: string
  level?: LogLevelName
  /** For people at a terminal instead of JSON lines. */
  pretty?: boolean
  /** Where lines go; stdout when left out. */
  destination?: DestinationStream
}

const secretFields = ['authorization', 'cookie', 'password', 'token', 'accessToken', 'refreshToken', 'apiKey', 'secret']
/** What must never reach a log, wherever callers put it: at the top, one level down, or in headers. */
const secretPaths = [
  ...secretFields,
  ...secretFields.map((name) => `*.${name}`),
  '*.headers.authorization',
  '*.headers.cookie',
]

/** Errors of adapters about the environment: a full disk, a bus that is closed, a service that is gone. */
const adapterErrors = new Set(['StorageError', 'BusError', 'ServiceCallError'])

/** Shows an error of an adapter by its code and message: a stack says nothing about a full disk. */
function showError(error: Error) {
  if (!(error instanceof Error) || !adapterErrors.has(error.name)) return pino.stdSerializers.err(error)
  return { type: error.name, code: (error as { code?: unknown }).code, message: error.message }
}

/** Writes one line at debug for each item. While that level is off this is one comparison, and `fields` is not called. */
export function debugEach<T>(log: Logger, message: string, items: Iterable<T>, fields: (item: T) => object): void {
  if (!log.isLevelEnabled('debug')) return
  for (const item of items) log.debug(fields(item), message)
}

/** Lines are written as they come: a crash loses none. pino-pretty runs in this thread, so it needs none of its own. */
function prettyStream(destination: DestinationStream): DestinationStream {
  const pretty = prettyFactory({ colorize: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname,instance' })
  return { write: (line) => destination.write(pretty(line)) }
}

/** The process's log. Levels are words and times ISO 8601, so that a line reads the same to people and machines. */
export function createLog(options: LogOptions = {}): Logger {
  const destination = options.destination ?? pino.destination({ dest: 1, sync: true })
  return pino(
    {
      level: options.level ?? 'info',
      base: {
        ...(options.service === undefined ? {} : { service: options.service }),
        ...(options.instance === undefined ? {} : { instance: options.instance }),
      },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: showError },
      redact: { paths: secretPaths, censor: '[redacted]' },
    },
    options.pretty ? prettyStream(destination) : destination,
  )
}
