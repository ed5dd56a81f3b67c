/** A key pair of the store: Ed25519, the private half as PEM, the public one as in a JWK (base64url). */
export interface SigningKey {
  readonly kid: string
  readonly privatePem: string
  readonly publicX: string
  /** Epoch milliseconds by the clock of the instance that made it, and later than that of each key it knew. */
  readonly createdAt: number
}

/**
 * When keys change; milliseconds. An instance relies on how long it has itself seen a key in the store. How old a key is by its
 * `createdAt`, which may be of another clock, decides only where a wrong clock does no harm, or by a day or more.
 */
export interface RotationRule {
  /** How long a key signs. */
  readonly lifetimeMs: number
  /** How long a key is published before it signs: longer than the shortest time between two fetches of a verifier. */
  readonly publishMs: number
  /** A key of that age has been published for long enough, though this instance has only begun to look. */
  readonly settledMs: number
  /**
   * How long a key is published after its successor was stored: two turns of the check of every instance, `settledMs`, the
   * longest life of a token, and the skew of the clocks.
   */
  readonly overlapMs: number
}

/** A stored key, and for how long this instance has seen it in the store, milliseconds on its monotonic clock. */
export interface SeenKey {
  readonly key: SigningKey
  readonly seenMs: number
}

/** What to do about the keys at one moment. */
export interface KeyPlan {
  /** A new key is due. Ask again once it is stored. */
  readonly makesOne: boolean
  /** The key that signs; undefined only when there is none yet. */
  readonly signs: SigningKey | undefined
  /** All stored keys, the newest first: one, or two while they rotate. */
  readonly published: readonly SigningKey[]
  /** Keys that no valid token can be signed with any more. */
  readonly over: readonly SigningKey[]
}

/** An instance that restarts more often than `overlapMs` removes a key by the wall clock, and then so much later. */
const dayMs = 86_400_000

/**
 * The rotation (docs/guide/auth-and-roles.md): when the newest key is `lifetimeMs` old, the next one is made and published. It signs once
 * the verifiers have had time to fetch it, and the one before it goes when the last token that it signed has expired.
 * Two instances that make a key at the same moment make two, in an order on which all agree; the later one goes on.
 */
export function planKeys(seen: readonly SeenKey[], now: number, rule: RotationRule): KeyPlan {
  const newestFirst = seen.toSorted(({ key: a }, { key: b }) => b.createdAt - a.createdAt || (a.kid < b.kid ? 1 : -1))
  const isReady = ({ key, seenMs }: SeenKey) => seenMs >= rule.publishMs || now - key.createdAt >= rule.settledMs
  const signs = newestFirst.find(isReady) ?? newestFirst.at(-1)
  const isOver = (index: number) => {
    const successor = newestFirst[index - 1]
    if (successor === undefined || newestFirst[index] === signs) return false
    return successor.seenMs >= rule.overlapMs || now - successor.key.createdAt >= rule.overlapMs + dayMs
  }
  const newest = newestFirst[0]
  return {
    makesOne: newest === undefined || now >= newest.key.createdAt + rule.lifetimeMs,
    signs: signs?.key,
    published: newestFirst.map(({ key }) => key),
    over: newestFirst.filter((_key, index) => isOver(index)).map(({ key }) => key),
  }
}
