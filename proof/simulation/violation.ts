/** A promise that does not hold (the invariants I1 to I13 of docs/protocol.md, or `I…` of a rule of the simulation's own). */
export interface Violation {
  readonly rule: string
  /** The job or the execution. */
  readonly subject: string
  readonly text: string
}
