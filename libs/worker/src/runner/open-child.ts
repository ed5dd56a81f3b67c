import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { constants, setPriority } from 'node:os'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { compileCacheFolder } from './compile-cache.ts'
import { createFrameReader, toFrame } from './frames.ts'
import { channelFd, type FromChild, type ToChild } from './protocol.ts'

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
  /** Longest message that the process may send, bytes. */
  readonly mostMessageBytes: number
  readonly onMessage: (message: FromChild) => void
  /** Called once, also when the process could not be started. */
  readonly onExit: (end: ChildEnd) => void
}

const file = fileURLToPath(new URL('./child.ts', import.meta.url))

/** How long what a process has sent may take to arrive once it has ended, milliseconds: a process that got away may hold the channel open. */
const lastMessagesMs = 1000

/** What cannot be read came from the handler: nothing of the executor writes it. */
const noMessage: FromChild = {
  kind: 'broken',
  run: null,
  failure: {
    code: 'handler-error',
    message: 'The handler wrote to the channel between its process and the executor.',
    retry: 'policy',
  },
}

/**
 * Starts a process in a group of its own: an interrupt at the terminal does not reach it, and one signal ends all that its handler
 * has started. What gets past the redirection of its output goes nowhere. Its messages come over a channel of its own and not
 * over Node's: a handler can write to any channel of its process, and what Node cannot read there ends the executor.
 */
export function openChild({ memoryMb, env, mostMessageBytes, onMessage, onExit }: ChildOptions): Child {
  const cache = compileCacheFolder()
  const flags = [
    `--max-old-space-size=${memoryMb}`,
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
  ]
  const child = spawn(process.execPath, [...flags, file], {
    env: { ...env, ...(cache !== null && { NODE_COMPILE_CACHE: cache }) },
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  const { pid } = child
  giveWay(pid)
  const channel = child.stdio[channelFd] as Duplex | undefined
  const read = createFrameReader(mostMessageBytes, (message) => onMessage(message as FromChild))
  const receive = (chunk: Uint8Array) => {
    try {
      read(chunk)
    } catch {
      channel?.off('data', receive).resume()
      onMessage(noMessage)
    }
  }
  // The end of the process is reported elsewhere.
  channel?.on('data', receive).on('error', () => undefined)
  let lastMessages: NodeJS.Timeout | undefined
  let isGone = false
  const end = (found: ChildEnd) => {
    if (isGone) return
    isGone = true
    clearTimeout(lastMessages)
    killGroup(pid)
    onExit(found)
  }
  child.on('error', () => {
    if (pid === undefined) end({ code: null, signal: null })
  })
  // `close` comes after the last message, once nothing holds the channel any more; `exit` comes before it.
  child.on('exit', () => {
    killGroup(pid)
    lastMessages = setTimeout(() => channel?.destroy(), lastMessagesMs)
  })
  child.on('close', (code, signal) => end({ code, signal }))
  return {
    send(message) {
      if (channel?.writable) channel.write(toFrame(message))
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
