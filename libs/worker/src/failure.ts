/**
 * Whether a failed attempt is retried: by the job's policy, never, or as often as the policy says but after so many
 * milliseconds instead of its backoff.
 */
export type RetryWish = 'policy' | 'never' | { readonly afterMs: number }

/** A failure that a handler expected. `code` is a short kebab-case word for programs, `message` is for people. */
export class JobFailure extends Error {
  readonly code: string
  readonly retry: RetryWish

  constructor(code: string, message: string, retry: RetryWish = 'policy') {
    super(message)
    this.name = 'JobFailure'
    this.code = code
    this.retry = retry
  }
}

/** A failure that no retry can mend: the execution ends FAILED at once. To be thrown. */
export function fatal(code: string, message: string): JobFailure {
  return new JobFailure(code, message, 'never')
}

/** A failure whose retry, if the policy has one left, comes after `ms` milliseconds instead of its backoff. To be thrown. */
export function retryAfter(
  ms: number,
  code = 'retry-later',
  message = `The handler asks for another try in ${ms} ms.`,
) {
  return new JobFailure(code, message, { afterMs: ms })
}

/**
 * The attempt ended because of another attempt on its process, or because its process was ended for a reason that is not its
 * own. The execution runs again at once; neither a try nor a loss is charged.
 */
export class InterruptedRun extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'InterruptedRun'
  }
}
