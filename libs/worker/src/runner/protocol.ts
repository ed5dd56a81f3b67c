import type { AttemptFacts } from '../context.ts'
import type { RetryWish } from '../failure.ts'
import type { LogLevel } from '../handler.ts'

/** The descriptor of the channel in a runner process: the first one behind the standard streams. */
export const channelFd = 3

/** What one attempt may hand over; more is cut off or refused in the process, so that it never reaches the main loop. */
export interface OutputLimits {
  readonly logLines: number
  /** Of all lines together, and of one; UTF-8. */
  readonly logBytes: number
  readonly logLineBytes: number
  readonly artifacts: number
  readonly artifactBytes: number
}

/** The file that a process runs, with its text: what is on the disk may have changed since. */
export interface HandlerSource {
  /** `file:` URL. */
  readonly url: string
  readonly text: string
}

/** What a process begins with. */
export interface ChildSettings {
  readonly source: HandlerSource
  readonly limits: OutputLimits
}

/** What a file says about its job type, unchecked: the main loop reads it with a schema. */
export interface RawDescription {
  readonly type: unknown
  readonly title: unknown
  readonly description: unknown
  readonly timeout: unknown
  readonly retry: unknown
  readonly concurrency: unknown
  readonly slots: unknown
  readonly examples: unknown
  /** JSON Schemas. */
  readonly params: unknown
  readonly result: unknown
}

export interface RunFailure {
  readonly code: string
  readonly message: string
  readonly retry: RetryWish
}

export type Line = readonly [level: LogLevel, text: string]

/** To the process. `run` numbers the attempts of a process. */
export type ToChild =
  | ({ readonly kind: 'load' } & ChildSettings)
  | { readonly kind: 'run'; readonly run: number; readonly params: unknown; readonly facts: AttemptFacts }
  | { readonly kind: 'abort'; readonly run: number; readonly code: string; readonly message: string }
  | { readonly kind: 'answer'; readonly call: number; readonly value?: string | undefined; readonly error?: string }

/** From the process. */
export type FromChild =
  | { readonly kind: 'loaded'; readonly description: RawDescription }
  | { readonly kind: 'unusable'; readonly error: string }
  | { readonly kind: 'lines'; readonly run: number; readonly lines: readonly Line[] }
  | {
      readonly kind: 'artifact'
      readonly run: number
      readonly name: string
      readonly contentType: string
      readonly body: Uint8Array
    }
  | { readonly kind: 'checkpoint'; readonly run: number; readonly call: number; readonly state: string }
  | { readonly kind: 'resume'; readonly run: number; readonly call: number }
  /** The attempt has reached the process: what was there before does not block it. */
  | { readonly kind: 'started'; readonly run: number }
  /** The abort has reached the process: it is not blocked. */
  | { readonly kind: 'abort-seen'; readonly run: number }
  | { readonly kind: 'succeeded'; readonly run: number; readonly result: string }
  | { readonly kind: 'failed'; readonly run: number; readonly failure: RunFailure }
  /** An error outside of the promise of any attempt, or an exit; `run` is null when it is not known whose it is. */
  | { readonly kind: 'broken'; readonly run: number | null; readonly failure: RunFailure }
