import { executionStatusOf, isEnded } from '@belfry/contracts'
import type { EventStream } from '@belfry/http'
import { type Clock, type Logger, pause } from '@belfry/service'
import type { RowId } from '@belfry/storage'
import type { LogEntry, Stores } from '../store/ports.ts'

/** A line by its attempt and its number within the attempt. */
export interface LogPosition {
  readonly epoch: number
  readonly seq: number
}

export interface FollowLogOptions {
  readonly stores: Pick<Stores, 'executions' | 'logs'>
  readonly clock: Clock
  readonly log: Logger
  /** How often the store is asked for lines, milliseconds, and lines that are read at a time. */
  readonly pollMs: number
  readonly lines: number
}

/** Which log: of one attempt, or of all (null), after a line. */
export interface FollowedLog {
  readonly rowId: RowId
  readonly after: LogPosition
  readonly attempt: number | null
  /** Whether the caller may still see it: its job may be shared with the caller no more. */
  mayGoOn(): Promise<boolean>
  /** How a line is shown. */
  view(line: LogEntry & { readonly epoch: number }): unknown
}

const idPattern = /^(\d{1,15})\.(\d{1,15})$/

/** The position of a `Last-Event-ID`; null for a text that is none. */
export function readLogPosition(id: string): LogPosition | null {
  const [, epoch, seq] = idPattern.exec(id) ?? []
  return epoch === undefined ? null : { epoch: Number(epoch), seq: Number(seq) }
}

async function sendLines(
  stream: EventStream,
  { rowId, after, attempt, mayGoOn, view }: FollowedLog,
  { stores, clock, pollMs, lines }: FollowLogOptions,
): Promise<void> {
  let position = after
  while (stream.isOpen) {
    if (!(await mayGoOn())) return stream.end('unavailable')
    const [current] = await stores.executions.read([rowId])
    const found = await stores.logs.list(rowId, { after: position, epoch: attempt, limit: lines })
    for (const line of found) {
      position = { epoch: line.epoch, seq: line.seq }
      stream.send({ id: `${line.epoch}.${line.seq}`, event: 'line', data: view(line) })
    }
    await stream.ready()
    if (found.length === lines) continue
    const execution = current?.execution
    const isOver = !execution || isEnded(execution.state) || (attempt !== null && execution.epoch > attempt)
    if (isOver) return stream.end('complete', { status: execution ? executionStatusOf(execution) : null })
    await pause(clock, pollMs, stream.closed)
  }
}

/**
 * Sends the lines of a log as they are stored, until the execution, or the attempt, has ended and all its lines are sent. An attempt
 * stores its lines before its end, so that a state which is read before the lines says whether these are all. The store is
 * asked again and again, since the attempt may run in another process.
 */
export async function followLog(stream: EventStream, followed: FollowedLog, options: FollowLogOptions): Promise<void> {
  try {
    await sendLines(stream, followed, options)
  } catch (err) {
    options.log.warn({ err }, 'a stream of a log ended, because the lines could not be read')
    stream.end('unavailable')
  }
}
