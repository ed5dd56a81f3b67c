/** A wrong edit of a source file: what stands there once is replaced. */
export interface Edit {
  readonly name: string
  /** The rule that the edit breaks, as a reader of the diff would say it. */
  readonly about: string
  /** From the root of the repository. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
  /** Searches of the model that have what the rule is for. */
  readonly searches: readonly string[]
  /** Tests that `npm test` runs, by file or folder. */
  readonly tests: readonly string[]
}
