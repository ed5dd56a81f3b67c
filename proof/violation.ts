/** A rule of docs/protocol.md that does not hold. */
export interface Violation {
  /** I1 to I13, or a name for a rule of the proof's own: `load` for an answer that no caller may get. */
  readonly rule: string
  /** The execution, the job or the request. */
  readonly subject: string
  readonly text: string
}
