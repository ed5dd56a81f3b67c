import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A process whose last line is JSON: its value, or why there is none. */
export type ChildResult = { readonly value: unknown } | { readonly why: string }

/** Runs a program of Node to its end, and reads its last line. `onText` gets what it prints. */
export async function runChild(
  args: readonly string[],
  options: { readonly deadlineMs: number; readonly onText?: (text: string) => void; readonly env?: NodeJS.ProcessEnv },
): Promise<ChildResult> {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that what it has started ends with it.
    detached: true,
    env: { ...process.env, ...options.env },
  })
  let [output, errors] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
    options.onText?.(String(chunk))
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk).slice(-4_000)
    options.onText?.(String(chunk))
  })
  const stop = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
  }
  const timer = setTimeout(stop, options.deadlineMs)
  const interrupt = () => {
    stop()
    process.exitCode = 130
  }
  process.once('SIGINT', interrupt)
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  process.removeListener('SIGINT', interrupt)
  if (code !== 0) return { why: firstLine(errors) || `ended with ${signal ?? code}` }
  try {
    return { value: JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') }
  } catch {
    return { why: 'its last line is no JSON' }
  }
}

/** The line of an error that says what happened: the first that names one, or the first at all. */
function firstLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return (lines.find((line) => /^\w*Error\b/.test(line)) ?? lines[0] ?? '').slice(0, 300)
}
