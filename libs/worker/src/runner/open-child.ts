import { fork } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { compileCacheFolder } from './compile-cache.ts'
import type { FromChild, ToChild } from './protocol.ts'

/** Where a process says more about itself than its code. */
const statm = (pid: number) => `/proc/${pid}/statm`
const pageBytes = 4096

/** How a process came to its end: by itself with a code, or by a signal. */
export interface ChildEnd {
  readonly code: number | null
  readonly signal: string | null
}

/** A process that runs child.ts, with its group. */
export interface Child {
  send(message: ToChild): void
  /** Kills it and what it has started. */
  kill(): void
  /** Memory that it shares with no other process, bytes; 0 where the system does not say. */
  memory(): Promise<number>
}

export interface ChildOptions {
  /** Of the heap, MiB. */
  readonly memoryMb: number
  readonly env: Readonly<Record<string, string>>
  readonly onMessage: (message: FromChild) => void
  /** Called once, also when the process could not be started. */
  readonly onExit: (end: ChildEnd) => void
}

const file = fileURLToPath(new URL('./child.ts', import.meta.url))

/**
 * Starts a process in a group of its own: an interrupt at the terminal does not reach it, and one signal ends all that its handler
 * has started. What gets past the redirection of its output goes nowhere.
 */
export function openChild({ memoryMb, env, onMessage, onExit }: ChildOptions): Child {
  const cache = compileCacheFolder()
  const child = fork(file, {
    execArgv: [
      `--max-old-space-size=${memoryMb}`,
      '--disable-warning=ExperimentalWarning',
      '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
    ],
    env: { ...env, ...(cache !== null && { NODE_COMPILE_CACHE: cache }) },
    serialization: 'advanced',
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const { pid } = child
  giveWay(pid)
  let isGone = false
  const end = (found: ChildEnd) => {
    if (isGone) return
    isGone = true
    killGroup(pid)
    onExit(found)
  }
  child.on('message', (message) => onMessage(message as FromChild))
  child.on('error', () => {
    if (pid === undefined) end({ code: null, signal: null })
  })
  // `close` comes after the last message; `exit` may come before it.
  child.on('close', (code, signal) => end({ code, signal }))
  return {
    send(message) {
      // The process may be gone already; its end is reported elsewhere.
      if (child.connected) child.send(message, () => undefined)
    },
    kill: () => killGroup(pid),
    async memory() {
      if (process.platform !== 'linux' || pid === undefined) return 0
      const text = await readFile(statm(pid), 'utf8').catch(() => '')
      const [, resident = 0, shared = 0] = text.split(' ').map(Number)
      return (resident - shared) * pageBytes
    },
  }
}

/** The executor goes before the handlers. The threads of a process get the priority that it has when they begin. */
function giveWay(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // The handlers then share the processors with the executor as equals.
  }
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // None of the group is left.
  }
}
