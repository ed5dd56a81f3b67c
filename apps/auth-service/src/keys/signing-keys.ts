/** A key pair of the store: Ed25519, the private half as PEM, the public one as in a JWK (base64url). */
export interface SigningKey {
  readonly kid: string
  readonly privatePem: string
  readonly publicX: string
  /** Epoch milliseconds. */
  readonly createdAt: number
}

/** When keys change; milliseconds. */
export interface RotationRule {
  /** How long a key signs. */
  readonly lifetimeMs: number
  /** How long the key before it is still published: the longest life of a token, and the skew of the clocks. */
  readonly overlapMs: number
}

/** What to do about the keys at one moment. */
export interface KeyPlan {
  /** A new key is due. Ask again once it is stored. */
  readonly makesOne: boolean
  /** The key that signs; undefined only when there is none yet. */
  readonly signs: SigningKey | undefined
  /** The keys that tokens may still be signed with, the newest first: one, or two while they rotate. */
  readonly published: readonly SigningKey[]
  /** Keys that no valid token can be signed with any more. */
  readonly over: readonly SigningKey[]
}

/**
 * The rotation (security.md, identity): the newest key signs until it is `lifetimeMs` old; then a new one takes over, and
 * the one before it is published until the last token that it signed has expired.
 */
export function planKeys(keys: readonly SigningKey[], now: number, rule: RotationRule): KeyPlan {
  const newestFirst = keys.toSorted((a, b) => b.createdAt - a.createdAt || (a.kid < b.kid ? 1 : -1))
  const signs = newestFirst[0]
  const isOver = (index: number) => {
    const successor = newestFirst[index - 1]
    return successor !== undefined && now >= successor.createdAt + rule.overlapMs
  }
  return {
    makesOne: signs === undefined || now >= signs.createdAt + rule.lifetimeMs,
    signs,
    published: newestFirst.filter((_key, index) => !isOver(index)),
    over: newestFirst.filter((_key, index) => isOver(index)),
  }
}
