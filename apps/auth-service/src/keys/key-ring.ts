import { generateKeyPairSync } from 'node:crypto'
import type { Jwk } from '@belfry/contracts'
import { type Clock, elapsedSince, type Ids, type Logger, type Moment, momentOf } from '@belfry/service'
import { isOutcomeUnknown } from '@belfry/storage'
import type { KeyStore } from '../store/ports.ts'
import { type AccessTokenSigner, createAccessTokenSigner } from './access-token.ts'
import { type KeyPlan, planKeys, type RotationRule, type SigningKey } from './signing-keys.ts'

export interface KeyRingOptions {
  readonly store: KeyStore
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly ids: Ids
  readonly log: Logger
  readonly rule: RotationRule
  /** How old what was read of the store may be when a token is signed, milliseconds. */
  readonly readEveryMs: number
}

/** The keys of the store, which other instances change too: one signs, one or two are published. */
export interface KeyRing {
  /** Makes a key when one is due, and removes those that are over. */
  rotate(): Promise<void>
  /** Makes a key now, due or not; undefined while as many keys are published as a rotation takes. */
  rotateNow(): Promise<{ readonly kid: string; readonly signsInMs: number } | undefined>
  /** The signer of the key that signs now, by what the store had a moment ago. Throws before the first rotation. */
  signer(): Promise<AccessTokenSigner>
  /** The published keys as they are stored now. */
  published(): Promise<Jwk[]>
}

/** Keys that are published while more are made by hand: verifiers take eight, and some may be made by themselves meanwhile. */
const mostPublished = 4

function makeKey(kid: string, createdAt: number): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const { x } = publicKey.export({ format: 'jwk' })
  return {
    kid,
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicX: x as string,
    createdAt,
  }
}

function jwkOf(key: SigningKey): Jwk {
  return { kty: 'OKP', crv: 'Ed25519', x: key.publicX, kid: key.kid, alg: 'EdDSA', use: 'sig' }
}

/** What the store had when it was last read. */
interface Reading {
  readonly at: Moment
  readonly keys: readonly SigningKey[]
}

export function createKeyRing({ store, clock, ids, log, rule, readEveryMs }: KeyRingOptions): KeyRing {
  let current: AccessTokenSigner | undefined
  let last: Reading | undefined
  let reading: Promise<Reading> | undefined
  /** Since when this instance has seen each stored key, on its monotonic clock. */
  let seenSince = new Map<string, number>()

  async function readStore(): Promise<Reading> {
    // The keys are at least as new as the moment at which they were asked for.
    const at = momentOf(clock)
    const keys = await store.list()
    const read = { at, keys }
    // An answer that was overtaken by that of a later read says nothing new.
    if (last && at.monotonic < last.at.monotonic) return read
    const now = clock.monotonic()
    seenSince = new Map(keys.map(({ kid }) => [kid, seenSince.get(kid) ?? now]))
    last = read
    return read
  }

  /** Callers that come while the store is read share what it answers. */
  function readFresh(): Promise<Reading> {
    reading ??= readStore().finally(() => {
      reading = undefined
    })
    return reading
  }

  async function readRecent(): Promise<Reading> {
    return last && elapsedSince(clock, last.at) < readEveryMs ? last : readFresh()
  }

  function planOf({ keys }: Reading): KeyPlan {
    const now = clock.monotonic()
    const seen = keys.map((key) => ({ key, seenMs: now - (seenSince.get(key.kid) ?? now) }))
    return planKeys(seen, clock.now(), rule)
  }

  const insertKey = async (known: readonly SigningKey[]) => {
    // A clock that is behind must not make a key that is older than those it replaces.
    const newest = Math.max(...known.map(({ createdAt }) => createdAt))
    const key = makeKey(ids.uuid(), Math.max(clock.now(), newest + 1))
    await store.insert(key)
    log.info({ kid: key.kid, signsInMs: known.length === 0 ? 0 : rule.publishMs }, 'a new signing key is published')
  }

  /** The plan with a new key. After a lost answer the stored keys decide: the key counts only once it is read back. */
  const planWithNewKey = async (known: readonly SigningKey[]) => {
    try {
      await insertKey(known)
    } catch (error) {
      const stored = isOutcomeUnknown(error) ? planOf(await readStore()) : undefined
      if (!stored || stored.makesOne || stored.published.length <= known.length) throw error
      return stored
    }
    return planOf(await readStore())
  }

  return {
    async rotate() {
      const found = await readStore()
      const plan = planOf(found)
      const { over } = plan.makesOne ? await planWithNewKey(found.keys) : plan
      if (over.length > 0) await store.removeMany(over.map((key) => key.kid))
    },
    async rotateNow() {
      const found = await readStore()
      if (planOf(found).published.length >= mostPublished) return undefined
      const [newest] = (await planWithNewKey(found.keys)).published
      return newest && { kid: newest.kid, signsInMs: rule.publishMs }
    },
    async signer() {
      const { signs } = planOf(await readRecent())
      if (!signs) throw new Error('there is no signing key yet')
      if (current?.kid !== signs.kid) {
        current = createAccessTokenSigner(signs)
        log.info({ kid: signs.kid }, 'a key signs from now on')
      }
      return current
    },
    async published() {
      return planOf(await readFresh()).published.map(jwkOf)
    },
  }
}
