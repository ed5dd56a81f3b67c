import type { Clock, Logger, Timer } from '@belfry/service'
import { readArtifact, tooManyArtifacts } from '@belfry/worker'
import type { StoredArtifact } from '../executions/execution.ts'
import { cutText } from '../executions/outcome.ts'
import type { ArtifactFile, LogChunk, LogEntry, LogLevel, Stores } from '../store/ports.ts'
import type { Attempt, LogLines } from './attempt.ts'

/** What an attempt produces besides its result: log lines and artifacts. */
export interface AttemptOutput {
  /** A line of the attempt's log: it can be read soon, also while the attempt goes on. */
  addLine(attempt: Attempt, level: LogLevel, text: string): void
  /** A file of the attempt, in place of an older one of the same name. Throws when it is not within the limits. */
  addFile(attempt: Attempt, name: unknown, contentType: unknown, body: unknown): void
  /** Whether something of the attempt is not stored yet. */
  isPending(attempt: Attempt): boolean
  /** Stores all output of these attempts. Rejects when the store does not take it; then it may be tried again. */
  store(attempts: readonly Attempt[]): Promise<void>
  stop(): Promise<void>
}

interface OutputLimits {
  readonly log: LogLimits
  /** Artifacts of one attempt. */
  readonly artifacts: number
  /** Of each of them. */
  readonly artifactBytes: number
}

interface LogLimits {
  readonly lines: number
  /** Of all lines together, UTF-8. */
  readonly bytes: number
  /** Of one line; a longer one is cut. */
  readonly lineBytes: number
}

interface Taken {
  readonly attempt: Attempt
  readonly chunk: LogChunk
}

export interface AttemptOutputOptions {
  readonly stores: Pick<Stores, 'logs' | 'artifacts'>
  readonly clock: Clock
  readonly log: Logger
  readonly limits: OutputLimits
  /** How long a line waits for others, milliseconds. */
  readonly flushMs: number
}

export function createAttemptOutput({ stores, clock, log, limits, flushMs }: AttemptOutputOptions): AttemptOutput {
  const unflushed = new Set<Attempt>()
  /** The next flush, or the one under way. */
  let timer: Timer | null = null
  let flushing: Promise<void> = Promise.resolve()
  let isStopped = false

  function take(attempts: Iterable<Attempt>): Taken[] {
    const taken: Taken[] = []
    for (const attempt of attempts) {
      unflushed.delete(attempt)
      const lines = attempt.log?.take() ?? []
      const { rowId, execution } = attempt
      if (lines.length > 0) taken.push({ attempt, chunk: { rowId, epoch: execution.epoch, lines } })
    }
    return taken
  }

  async function append(taken: readonly Taken[]): Promise<void> {
    if (taken.length === 0) return
    try {
      await stores.logs.append(taken.map((one) => one.chunk))
    } catch (error) {
      for (const { attempt, chunk } of taken) {
        attempt.log?.putBack(chunk.lines)
        unflushed.add(attempt)
      }
      throw error
    }
  }

  async function flush(): Promise<void> {
    try {
      // `store` appends the lines of an attempt that has ended.
      await append(take([...unflushed].filter(({ phase }) => phase !== 'ended')))
    } catch (err) {
      log.warn({ err }, 'log lines could not be stored yet')
    }
    timer = null
    if (unflushed.size > 0) flushLater()
  }

  /** One flush at a time: the lines of an attempt are appended in their order, also when an append fails. */
  function flushLater(): void {
    if (isStopped) return
    timer ??= clock.callAfter(flushMs, () => {
      flushing = flush()
    })
  }

  return {
    addLine(attempt, level, text) {
      attempt.log ??= createLogLines(limits.log, clock)
      attempt.log.add(level, attempt.redaction?.text(asText(text)) ?? text)
      unflushed.add(attempt)
      flushLater()
    },
    addFile(attempt, name, contentType, body) {
      const read = readArtifact(name, contentType, body, limits.artifactBytes)
      const file = attempt.redaction ? { ...read, name: fileNameOf(attempt.redaction.text(read.name)) } : read
      attempt.files ??= new Map()
      if (attempt.files.size >= limits.artifacts && !attempt.files.has(file.name)) {
        throw tooManyArtifacts(limits.artifacts)
      }
      attempt.files.set(file.name, file)
    },
    isPending: (attempt) => attempt.log !== null || attempt.files !== null,
    async store(attempts) {
      // Lines that were taken before must be there too, or have been put back. A later flush takes none of these attempts.
      await flushing
      const files = attempts.flatMap(filesOf)
      await Promise.all([append(take(attempts)), files.length > 0 ? stores.artifacts.put(files) : undefined])
    },
    async stop() {
      isStopped = true
      timer?.cancel()
      await flushing
    },
  }
}

/** A name with the mark of a secret, in the characters and the length that names of artifacts have. */
const fileNameOf = (name: string) => name.replace(/\[secret:([^\]]*)\]/g, 'secret-$1').slice(0, 100)

function filesOf({ rowId, execution: { epoch }, files }: Attempt): ArtifactFile[] {
  return Array.from(files ?? [], ([name, { body }]) => ({ rowId, epoch, name, body }))
}

/** The attempt's artifacts as its record names them. */
export function artifactsOf({ execution: { epoch }, files }: Attempt): readonly StoredArtifact[] {
  if (files === null) return []
  return Array.from(files, ([name, { contentType, body }]) => ({ name, contentType, bytes: body.length, epoch }))
}

const levels: readonly string[] = ['debug', 'info', 'warn', 'error'] satisfies LogLevel[]

/** The types of a handler say what a line is, but nothing makes a handler keep to them. */
function asText(value: unknown): string {
  try {
    return typeof value === 'string' ? value : String(value)
  } catch {
    return '(a line that cannot be read)'
  }
}

/** A log that says where it was cut off: what is beyond the limits is dropped, and one line says so. */
function createLogLines(limits: LogLimits, clock: Clock): LogLines {
  let waiting: LogEntry[] = []
  let seq = 0
  let bytes = 0
  let isFull = false

  const push = (level: LogLevel, text: string) => {
    seq += 1
    waiting.push({ seq, at: clock.now(), level, text })
  }

  return {
    add(level, text) {
      if (isFull) return
      const line = cutText(asText(text), limits.lineBytes)
      bytes += Buffer.byteLength(line)
      isFull = seq >= limits.lines || bytes > limits.bytes
      if (isFull)
        push('warn', `The log is truncated here: an attempt may log ${limits.lines} lines and ${limits.bytes} bytes.`)
      else push(levels.includes(level) ? level : 'info', line)
    },
    take() {
      const taken = waiting
      if (taken.length > 0) waiting = []
      return taken
    },
    putBack(lines) {
      waiting = [...lines, ...waiting]
    },
  }
}
