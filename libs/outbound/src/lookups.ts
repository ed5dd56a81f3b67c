export interface Resolved {
  address: string
  family: number
}

/** All addresses of a name, in the order in which they are to be tried. */
export type Resolve = (hostname: string) => Promise<Resolved[]>

export interface LookupLimits {
  /** Lookups at a time: no more than the resolver answers at a time, so that none waits where owners are not known. */
  readonly total: number
  /** Of them those of one owner; below `total`. */
  readonly ofOwner: number
  /** Names that one owner may have waiting; beyond it the lookup that has waited longest fails. */
  readonly waiting: number
}

interface Waiting {
  readonly hostname: string
  readonly answer: PromiseWithResolvers<Resolved[]>
}

/** A name of some owner's call is to be looked up. Connections that open to one name at the same moment share one lookup. */
export type Lookup = (ownerId: string, hostname: string) => Promise<Resolved[]>

/** As the system's resolver says it when it could not answer: to be tried again. */
function tooMany(hostname: string): Error {
  return Object.assign(new Error(`too many name lookups wait; ${hostname} was not looked up`), { code: 'EAI_AGAIN' })
}

/**
 * Lookups of all owners, round robin. A name that is being looked up for one owner is answered for the others by the same
 * lookup, and counts for the first; a name that only waits does so for each owner apart, or one owner's queue would hold up
 * the others'.
 */
export function createLookups(resolve: Resolve, { total, ofOwner, waiting: mostWaiting }: LookupLimits): Lookup {
  const running = new Map<string, Promise<Resolved[]>>()
  const runningOf = new Map<string, number>()
  /** Names by owner; the owner that was served last comes last. */
  const waiting = new Map<string, Map<string, Waiting>>()

  const count = (ownerId: string) => runningOf.get(ownerId) ?? 0

  function run(ownerId: string, hostname: string): Promise<Resolved[]> {
    runningOf.set(ownerId, count(ownerId) + 1)
    const lookup = resolve(hostname).finally(() => {
      running.delete(hostname)
      const left = count(ownerId) - 1
      if (left > 0) runningOf.set(ownerId, left)
      else runningOf.delete(ownerId)
      runNext()
    })
    running.set(hostname, lookup)
    return lookup
  }

  /** Takes the owner's first name out and puts the owner behind the others. */
  function takeFrom(ownerId: string, names: Map<string, Waiting>): Waiting | undefined {
    const [first] = names.values()
    if (first) names.delete(first.hostname)
    waiting.delete(ownerId)
    if (names.size > 0) waiting.set(ownerId, names)
    return first
  }

  function runNext(): void {
    while (running.size < total) {
      const [next] = [...waiting].filter(([ownerId]) => count(ownerId) < ofOwner)
      if (next === undefined) return
      const [ownerId, names] = next
      const first = takeFrom(ownerId, names)
      if (first) first.answer.resolve(running.get(first.hostname) ?? run(ownerId, first.hostname))
    }
  }

  return (ownerId, hostname) => {
    const known = running.get(hostname)
    if (known) return known
    const names = waiting.get(ownerId) ?? new Map<string, Waiting>()
    const mine = names.get(hostname) ?? { hostname, answer: Promise.withResolvers<Resolved[]>() }
    names.set(hostname, mine)
    waiting.set(ownerId, names)
    runNext()
    const [oldest] = names.values()
    if (oldest && names.size > mostWaiting) {
      names.delete(oldest.hostname)
      oldest.answer.reject(tooMany(oldest.hostname))
    }
    return mine.answer.promise
  }
}
