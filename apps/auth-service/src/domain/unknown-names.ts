import type { Guesses } from './user.ts'

/**
 * Wrong passwords for names that nobody has, so that they are slowed down like those of users: else the first 429 would
 * tell who is known. Kept in memory, the newest `limit` names; a user's own count is on the record.
 */
export interface UnknownNames {
  get(foldedName: string): Guesses | undefined
  set(foldedName: string, guesses: Guesses): void
}

export function createUnknownNames(limit: number): UnknownNames {
  const names = new Map<string, Guesses>()
  return {
    get: (name) => names.get(name),
    set(name, guesses) {
      names.delete(name)
      if (names.size >= limit) names.delete(names.keys().next().value as string)
      names.set(name, guesses)
    },
  }
}
