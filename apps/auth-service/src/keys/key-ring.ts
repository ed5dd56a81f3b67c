import { generateKeyPairSync } from 'node:crypto'
import type { Jwk } from '@belfry/contracts'
import type { Clock, Ids, Logger } from '@belfry/service'
import { isOutcomeUnknown } from '@belfry/storage'
import type { KeyStore } from '../store/ports.ts'
import { type AccessTokenSigner, createAccessTokenSigner } from './access-token.ts'
import { planKeys, type RotationRule, type SigningKey } from './signing-keys.ts'

export interface KeyRingOptions {
  readonly store: KeyStore
  readonly clock: Pick<Clock, 'now'>
  readonly ids: Ids
  readonly log: Logger
  readonly rule: RotationRule
}

/** The keys in use: one signs, one or two are published. */
export interface KeyRing {
  /** Makes a key when one is due, signs with the newest stored one, and removes those that are over. */
  rotate(): Promise<void>
  /** The signer of the newest key. Throws before the first rotation. */
  signer(): AccessTokenSigner
  /** The published keys as they are stored now: another instance may have made one. */
  published(): Promise<Jwk[]>
}

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

export function createKeyRing({ store, clock, ids, log, rule }: KeyRingOptions): KeyRing {
  let current: AccessTokenSigner | undefined

  const plan = async () => planKeys(await store.list(), clock.now(), rule)

  const insertKey = async () => {
    const key = makeKey(ids.uuid(), clock.now())
    await store.insert(key)
    log.info({ kid: key.kid }, 'a new key signs from now on')
  }

  /** The plan with a new key. After a lost answer the stored keys decide: the key signs only once it is read back. */
  const planWithNewKey = async () => {
    try {
      await insertKey()
    } catch (error) {
      const stored = isOutcomeUnknown(error) ? await plan() : undefined
      if (!stored || stored.makesOne) throw error
      return stored
    }
    return plan()
  }

  return {
    async rotate() {
      const found = await plan()
      const { signs, over } = found.makesOne ? await planWithNewKey() : found
      if (signs && signs.kid !== current?.kid) current = createAccessTokenSigner(signs)
      if (over.length > 0) await store.removeMany(over.map((key) => key.kid))
    },
    signer() {
      if (!current) throw new Error('there is no signing key yet')
      return current
    },
    async published() {
      return (await plan()).published.map(jwkOf)
    },
  }
}
