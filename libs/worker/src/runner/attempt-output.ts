import { readArtifact, tooManyArtifacts } from '../artifact.ts'
import type { LogLevel } from '../handler.ts'
import type { FromChild, Line, OutputLimits } from './protocol.ts'

/** Lines that are handed over together, and their bytes. */
const batchLines = 100
const batchBytes = 64 * 1024
/** So many first lines are handed over one by one: the handler may block after each of them. */
const singleLines = 10
/** A line that follows the last batch by this much is handed over at once, milliseconds. */
const quietMs = 20

/** The log and the artifacts of one attempt in its process. */
export interface ChildOutput {
  log(level: LogLevel, text: unknown): void
  artifact(name: string, contentType: string, body: string | Uint8Array): void
  /** Hands over what waits. */
  flush(): void
}

/** The types of a handler say what a line is, but nothing makes a handler keep to them. */
function asText(value: unknown): string {
  try {
    return typeof value === 'string' ? value : String(value)
  } catch {
    return '(a line that cannot be read)'
  }
}

/**
 * Lines go out in batches. What is beyond the limits is dropped here but for one line, by which the executor knows that there was
 * more; so a handler that writes without end costs its own process only.
 */
export function createChildOutput(run: number, limits: OutputLimits, send: (message: FromChild) => void): ChildOutput {
  const names = new Set<string>()
  let lines: Line[] = []
  let waitingBytes = 0
  let count = 0
  let bytes = 0
  let isFull = false
  let isScheduled = false
  let sentAt = Number.NEGATIVE_INFINITY

  function flush(): void {
    isScheduled = false
    if (lines.length === 0) return
    sentAt = performance.now()
    send({ kind: 'lines', run, lines })
    lines = []
    waitingBytes = 0
  }

  function handOver(): void {
    const isFilled = count <= singleLines || isFull || lines.length >= batchLines || waitingBytes >= batchBytes
    if (isFilled || performance.now() - sentAt >= quietMs) flush()
    else if (!isScheduled) {
      isScheduled = true
      setImmediate(flush)
    }
  }

  return {
    log(level, value) {
      if (isFull) return
      // One character more than may be stored, so that the executor marks the line as cut.
      const text = asText(value).slice(0, limits.logLineBytes + 1)
      const size = Math.min(Buffer.byteLength(text), limits.logLineBytes)
      count += 1
      bytes += size
      waitingBytes += size
      isFull = count > limits.logLines || bytes > limits.logBytes
      lines.push([level, text])
      handOver()
    },
    artifact(name, contentType, body) {
      const file = readArtifact(name, contentType, body, limits.artifactBytes)
      if (names.size >= limits.artifacts && !names.has(file.name)) throw tooManyArtifacts(limits.artifacts)
      names.add(file.name)
      send({ kind: 'artifact', run, name: file.name, contentType: file.contentType, body: file.body })
    },
    flush,
  }
}
