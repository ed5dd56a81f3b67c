import { format } from 'node:util'
import type { LogLevel } from '../handler.ts'

const levels = {
  log: 'info',
  info: 'info',
  debug: 'debug',
  trace: 'debug',
  warn: 'warn',
  error: 'error',
} as const satisfies Record<string, LogLevel>

/** Longest text that is split into lines, characters: a text of any length must not be copied whole. */
const longestText = 1024 * 1024

/** What a handler prints becomes lines of the log of its attempt. `write` finds the attempt; it drops what belongs to none. */
export function redirectOutput(write: (level: LogLevel, text: string) => void): void {
  for (const [name, level] of Object.entries(levels)) {
    console[name as keyof typeof levels] = (...args: unknown[]) =>
      write(level, args.length === 1 && typeof args[0] === 'string' ? args[0] : format(...args))
  }
  const redirect = (stream: NodeJS.WriteStream, level: LogLevel) => {
    stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).subarray(0, longestText).toString()
      for (const line of text.slice(0, longestText).split('\n')) if (line !== '') write(level, line)
      const done = rest.find((one) => typeof one === 'function') as (() => void) | undefined
      if (done !== undefined) queueMicrotask(done)
      return true
    }) as typeof stream.write
  }
  redirect(process.stdout, 'info')
  redirect(process.stderr, 'warn')
}
