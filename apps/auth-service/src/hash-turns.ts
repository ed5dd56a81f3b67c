/** How many hashes are computed and may wait. */
export interface TurnLimits {
  /** Hashes at the same time, of logins and sign-ups together. */
  readonly atOnce: number
  /** Logins that may wait. */
  readonly logins: number
  /** Sign-ups that may wait, of all addresses together and of one. */
  readonly signups: number
  readonly signupsPerAddress: number
}

/** Both run a task in its turn; undefined, at once, when as many wait as may. */
export interface HashTurns {
  login<T>(task: () => Promise<T>): Promise<T | undefined>
  signup<T>(address: string, task: () => Promise<T>): Promise<T | undefined>
}

/** Sign-ups at the same time: the other threads are left to logins. */
const signupsAtOnce = 1

type Begin = () => void

/** Those who wait, by address: the addresses take turns, so that one with many delays another by one. */
function createRounds() {
  const lines = new Map<string, Begin[]>()
  let size = 0
  return {
    size: () => size,
    sizeOf: (address: string) => lines.get(address)?.length ?? 0,
    push(address: string, begin: Begin) {
      lines.set(address, [...(lines.get(address) ?? []), begin])
      size += 1
    },
    shift(): Begin | undefined {
      const first = lines.entries().next().value
      if (!first) return undefined
      const [address, [begin, ...rest]] = first
      lines.delete(address)
      if (rest.length > 0) lines.set(address, rest)
      size -= 1
      return begin
    },
  }
}

/**
 * Shares the hash threads. A login that waits always goes before a sign-up, and sign-ups take one thread at most, so that
 * with two threads or more a login never waits for one (OWASP's parameters: about 75 ms a hash).
 */
export function createHashTurns(limits: TurnLimits): HashTurns {
  const logins: Begin[] = []
  const signups = createRounds()
  let atWork = 0
  let signupsAtWork = 0

  const beginNext = () => {
    while (atWork < limits.atOnce) {
      const next = logins.shift() ?? (signupsAtWork < signupsAtOnce ? signups.shift() : undefined)
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

  return {
    login(task) {
      if (atWork >= limits.atOnce && logins.length >= limits.logins) return Promise.resolve(undefined)
      const count = (change: 1 | -1) => {
        atWork += change
      }
      return run(task, (begin) => logins.push(begin), count)
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
