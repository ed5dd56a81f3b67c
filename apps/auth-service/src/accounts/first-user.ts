import type { Logger } from '@belfry/service'
import type { UserStore } from '../store/ports.ts'

/** Waits for the first user of all. */
export interface FirstUser {
  /** Resolves with the id once there is such a user. */
  readonly found: Promise<string>
  /** Asks the store, at the start and after each sign-up, until the user is found. */
  look(): void
}

export function createFirstUser(users: UserStore, log: Logger): FirstUser {
  const { promise: found, resolve } = Promise.withResolvers<string>()
  let isFound = false
  const look = () => {
    if (isFound) return
    users.findFirst().then(
      (user) => {
        if (!user) return
        isFound = true
        resolve(user.id)
      },
      (err: unknown) => log.warn({ err }, 'the first user could not be read'),
    )
  }
  return { found, look }
}
