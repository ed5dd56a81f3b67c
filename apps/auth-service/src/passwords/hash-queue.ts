import { createRoundRobin } from '@belfry/service'

/** Bounds of the hashes at work and of those that wait. */
export interface HashQueueLimits {
  /** Hashes at the same time, of logins and sign-ups together. */
  readonly atOnce: number
  /** Logins that may be under way beside those whose hash is at work. */
  readonly logins: number
  /** Sign-ups that may wait, of all addresses together and of one. */
  readonly signups: number
  readonly signupsPerAddress: number
}

/** Runs a task when a hash thread is free, and holds the thread until the task ends. */
type Hash = <T>(task: () => Promise<T>) => Promise<T>

export interface HashQueue {
  /**
   * Begins a login at once; undefined when too many are under way. It holds a thread while it hashes, and none while it waits for a
   * store: so a slow store holds up no sign-up, and no login that is as far as its hash.
   */
  login<T>(check: (hash: Hash) => Promise<T>): Promise<T | undefined>
  /** Runs the task when a thread is free; undefined, at once, when the queue is full. */
  signup<T>(address: string, task: () => Promise<T>): Promise<T | undefined>
}

/** Sign-ups at the same time: the other threads serve logins. */
const signupsAtOnce = 1

type Begin = () => void

/**
 * The queue before the hash threads. A waiting login always goes before a sign-up, and sign-ups take one thread at most, so that
 * with two threads or more a login never waits for one (OWASP's parameters: about 75 ms a hash).
 */
export function createHashQueue(limits: HashQueueLimits): HashQueue {
  const logins: Begin[] = []
  /** By address: one with many sign-ups delays another address by one. */
  const signups = createRoundRobin<Begin>()
  let atWork = 0
  let signupsAtWork = 0
  let loginsUnderWay = 0

  const nextSignup = (): Begin | undefined => {
    for (const [address, begin] of signups.firsts()) {
      signups.remove(address, begin)
      return begin
    }
    return undefined
  }

  const beginNext = () => {
    while (atWork < limits.atOnce) {
      const next = logins.shift() ?? (signupsAtWork < signupsAtOnce ? nextSignup() : undefined)
      if (!next) return
      next()
    }
  }

  const run = async <T>(task: () => Promise<T>, wait: (begin: Begin) => void, count: (change: 1 | -1) => void) => {
    await new Promise<void>((resolve) => {
      wait(() => {
        count(1)
        resolve()
      })
      beginNext()
    })
    try {
      return await task()
    } finally {
      count(-1)
      beginNext()
    }
  }

  const hashOfLogin: Hash = (task) => {
    const count = (change: 1 | -1) => {
      atWork += change
    }
    return run(task, (begin) => logins.push(begin), count)
  }

  return {
    async login(check) {
      if (loginsUnderWay >= limits.atOnce + limits.logins) return undefined
      loginsUnderWay += 1
      try {
        return await check(hashOfLogin)
      } finally {
        loginsUnderWay -= 1
      }
    },
    signup(address, task) {
      const isFull = signups.size() >= limits.signups || signups.sizeOf(address) >= limits.signupsPerAddress
      const mustWait = atWork >= limits.atOnce || signupsAtWork >= signupsAtOnce
      if (mustWait && isFull) return Promise.resolve(undefined)
      const count = (change: 1 | -1) => {
        atWork += change
        signupsAtWork += change
      }
      return run(task, (begin) => signups.push(address, begin), count)
    },
  }
}
