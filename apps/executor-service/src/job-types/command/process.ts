import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { LogLevel } from '@belfry/worker'

export interface ProcessRequest {
  readonly executable: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** A line of its output. */
  readonly onLine: (level: LogLevel, text: string) => void
  /** Bytes of output that become lines; what follows is read slowly, and dropped. */
  readonly outputBytes: number
}

export interface ProcessEnd {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly signal: string | null
}

/** A program in a process group of its own. */
export interface RunningProcess {
  /** Rejects when it cannot be started. */
  readonly ended: Promise<ProcessEnd>
  /** Asks the whole group to end (SIGTERM), or ends it (SIGKILL). */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

/** Longest line, characters; a longer one is cut into several. */
const longestLine = 8192
/** Of output beyond the limit: how long to wait after each piece (up to 64 KiB), milliseconds. So a flood costs its sender. */
const pauseMs = 20
/** How long output may come after the end of the program, from children that it left behind, milliseconds. */
const lastOutputMs = 500

/** Hands over whole lines, and a piece of a line that is too long. */
function readLines(stream: Readable, level: LogLevel, { onLine, outputBytes }: ProcessRequest): void {
  let rest = ''
  let bytes = 0
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    bytes += text.length
    if (bytes > outputBytes) {
      rest = ''
      stream.pause()
      setTimeout(() => stream.resume(), pauseMs)
      // One line more than may be stored, by which the log knows that there was more.
      if (bytes - text.length <= outputBytes) onLine(level, text.slice(0, longestLine))
      return
    }
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(level, line)
    if (rest.length > longestLine) {
      onLine(level, rest)
      rest = ''
    }
  })
  stream.on('end', () => {
    if (rest !== '') onLine(level, rest)
  })
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // The group is gone.
  }
}

/** Starts a program without a shell. When it has ended, what is left of its group is killed. */
export function startProcess(request: ProcessRequest): RunningProcess {
  const { executable, args, cwd, env } = request
  const child = spawn(executable, args, { cwd, env, shell: false, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const { promise: ended, resolve, reject } = Promise.withResolvers<ProcessEnd>()
  readLines(child.stdout, 'info', request)
  readLines(child.stderr, 'warn', request)
  child.on('error', reject)
  child.on('exit', (code, signal) => {
    killGroup(child, 'SIGKILL')
    const cut = setTimeout(() => {
      child.stdout.destroy()
      child.stderr.destroy()
    }, lastOutputMs)
    child.on('close', () => {
      clearTimeout(cut)
      resolve({ code, signal })
    })
  })
  return { ended, kill: (signal) => killGroup(child, signal) }
}
