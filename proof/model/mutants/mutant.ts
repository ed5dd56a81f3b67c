import type { Configuration } from '../configuration.ts'
import type { Rules } from '../rules.ts'

/** One rule of the services with a guard left out. The model has to find out. */
export interface Mutant {
  readonly name: string
  /** What is left out, for people. */
  readonly about: string
  /** What differs from `plain` in the search that has to find it. */
  readonly search: Partial<Configuration>
  /** The rules that take the place of the real ones: each calls the real one. */
  readonly mutate: (real: Rules) => Partial<Rules>
  /** The invariants one of which has to be reported. */
  readonly breaks: readonly string[]
}

const allow = { policy: 'allow', limit: 1 } as const
export const skip = { policy: 'skip', limit: 1 } as const
export const queue = { policy: 'queue', limit: 1 } as const
export const twoTimes = { fireTimes: [10, 20] } as const
export const lapse = { executors: 2, overlap: allow, faults: { count: 1, kinds: ['lapse'] } } as const
export const crash = { executors: 2, faults: { count: 1, kinds: ['crash'] } } as const
export const lostClaim = { executors: 2, faults: { count: 1, kinds: ['claim-lost'] } } as const
