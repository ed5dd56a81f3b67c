import { JobFailure } from '../failure.ts'
import type { ChildEnd } from './open-child.ts'
import type { RunFailure } from './protocol.ts'

/** A failure that is retried by the job's policy. */
export function runFailure(code: string, message: string): RunFailure {
  return { code, message, retry: 'policy' }
}

/** What the executor refused to take from an attempt. */
export function failureOf(error: unknown): RunFailure {
  if (error instanceof JobFailure) return { code: error.code, message: error.message, retry: error.retry }
  return runFailure('handler-error', String(error))
}

/** An attempt that is ended because of its abort. `how` follows the reason of the abort. */
export function abortedFailure({ reason }: AbortSignal, how = ''): RunFailure {
  const { code, message } = reason as JobFailure
  return runFailure(code, `${message}${how}`)
}

export function outOfMemory(memoryMb: number): RunFailure {
  return runFailure('out-of-memory', `The handler used more than ${memoryMb} MiB of memory.`)
}

/** How a process ended that the executor did not end. Node aborts when the heap has reached its limit. */
export function deathOf({ code, signal }: ChildEnd, memoryMb: number): RunFailure {
  if (signal === 'SIGABRT' || code === 134) return outOfMemory(memoryMb)
  const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`
  return runFailure('handler-exited', `The process of the handler ${how}.`)
}
