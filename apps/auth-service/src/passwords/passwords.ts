import { refusal } from '@belfry/contracts'

/** Hashes passwords, slowly and a few at a time; checks go before new hashes. */
export interface Passwords {
  /** A salted hash with its parameters for a new user at `address`; undefined when too many wait. */
  hash(password: string, address: string): Promise<string | undefined>
  /** Runs `judge`; undefined when too many checks are under way. A hash thread is held by `matches` alone. */
  check<T>(judge: (matches: Matches) => Promise<T>): Promise<T | undefined>
}

/** Whether the password has this hash, once a hash thread is free. Null stands for an unknown user: it takes as long and is never true. */
export type Matches = (password: string, hash: string | null) => Promise<boolean>

/** Too many hashes wait. */
export const passwordsBusy = refusal('unavailable', 'Too many passwords are being checked.', { retryAfterS: 2 })
