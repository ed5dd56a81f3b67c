import type { ExecutionError } from '@belfry/contracts'
import { JobFailure, type RetryWish } from '@belfry/worker'

/** How an attempt ended, as the attempt runner saw it. */
export type AttemptOutcome =
  | { readonly kind: 'succeeded'; readonly result: unknown }
  | {
      readonly kind: 'failed'
      readonly error: ExecutionError
      readonly retry: RetryWish
      readonly timedOut: boolean
    }

/** Largest result of an attempt as JSON, bytes (docs/protocol.md, records). */
export const maxResultBytes = 65_536
/** Longest message of an error, bytes. */
export const maxErrorBytes = 8_192
const maxCodeLength = 100

type Failed = Extract<AttemptOutcome, { kind: 'failed' }>

/** A failure of the attempt; retried by the job's policy unless `retry` says otherwise. */
export function failed(code: string, message: string, retry: RetryWish = 'policy'): Failed {
  return { kind: 'failed', error: { code, message }, retry, timedOut: false }
}

/** The attempt took longer than its time limit (milliseconds). */
export function timedOut(timeoutMs: number): Failed {
  return { ...failed('timeout', `The attempt took longer than ${timeoutMs} ms.`), timedOut: true }
}

/** The text, cut to at most `maxBytes` of UTF-8 and never inside a character. */
export function cutText(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text
  const mark = '… (truncated)'
  const bytes = Buffer.from(text.slice(0, maxBytes)).subarray(0, maxBytes - Buffer.byteLength(mark))
  return new TextDecoder().decode(bytes, { stream: true }) + mark
}

/**
 * What a handler resolved to, as JSON and nothing else. A result that is no JSON or too large fails the execution for good:
 * its effect is there, and another attempt would only repeat it.
 */
export function readResult(value: unknown): AttemptOutcome {
  if (value === undefined || value === null) return { kind: 'succeeded', result: null }
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    return failed('result-not-json', `The result is not JSON: ${describe(error)}`, 'never')
  }
  if (text === undefined) return { kind: 'succeeded', result: null }
  const bytes = text.length * 3 <= maxResultBytes ? 0 : Buffer.byteLength(text)
  if (bytes > maxResultBytes) {
    return failed('result-too-large', `The result has ${bytes} bytes; ${maxResultBytes} are allowed.`, 'never')
  }
  return { kind: 'succeeded', result: typeof value === 'object' ? JSON.parse(text) : value }
}

/** Words for anything that can be thrown; never throws itself. */
function describe(thrown: unknown): string {
  try {
    const text = thrown instanceof Error ? thrown.message || thrown.name : String(thrown)
    return cutText(`${text}`, maxErrorBytes)
  } catch {
    return 'The handler threw something that cannot be read.'
  }
}

function readFailure(thrown: unknown): { error: ExecutionError; retry: RetryWish } {
  if (!(thrown instanceof JobFailure)) {
    return { error: { code: 'handler-error', message: describe(thrown) }, retry: 'policy' }
  }
  const { code, retry } = thrown
  const isWait = typeof retry === 'object' && retry !== null && Number.isFinite(retry.afterMs)
  return {
    error: { code: `${code}`.slice(0, maxCodeLength), message: describe(thrown) },
    retry: isWait ? { afterMs: retry.afterMs } : retry === 'never' ? 'never' : 'policy',
  }
}

/** What a handler threw or rejected with, whatever it was: undefined, a text, an object whose getters throw. */
export function readThrown(thrown: unknown): Failed {
  try {
    return { kind: 'failed', ...readFailure(thrown), timedOut: false }
  } catch {
    return failed('handler-error', 'The handler threw something that cannot be read.')
  }
}
