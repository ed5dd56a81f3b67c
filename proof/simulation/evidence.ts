import type { Violation } from '../violation.ts'
import type { Answer } from './caller.ts'
import type { Records } from './records.ts'
import type { Call } from './target.ts'

/** What a world has left behind. */
export interface Evidence {
  readonly records: Records
  readonly calls: readonly Call[]
  readonly answers: readonly Answer[]
  /** Processes whose wall clock was set, and when; epoch milliseconds of the world. */
  readonly clockSteps: readonly { readonly process: string; readonly at: number }[]
}

/** Finds what does not hold. */
export type Check = (evidence: Evidence) => Violation[]
