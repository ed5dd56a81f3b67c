/** How the next call of a verb fails. */
export interface Failure {
  readonly error: Error
  /** Whether the call takes effect before it rejects, as a write whose answer is lost. */
  readonly afterwards?: boolean
}

/** A store whose next calls of some verbs fail. */
export interface FailingStore<S> {
  readonly store: S
  /** Lets the next call of the verb fail, once. */
  failNext(verb: keyof S, failure: Failure): void
}

/** Wraps the methods of a store, so that a test can let single calls fail. */
export function createFailingStore<S extends object>(inner: S): FailingStore<S> {
  const failures = new Map<keyof S, Failure>()
  const wrap =
    (verb: keyof S, method: (...args: unknown[]) => unknown) =>
    async (...args: unknown[]) => {
      const failure = failures.get(verb)
      failures.delete(verb)
      if (!failure) return method(...args)
      if (failure.afterwards) await method(...args)
      throw failure.error
    }
  const entries = Object.entries(inner).map(([verb, method]) => [verb, wrap(verb as keyof S, method)])
  return {
    store: Object.fromEntries(entries) as S,
    failNext: (verb, failure) => void failures.set(verb, failure),
  }
}
