import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Jwk } from '@belfry/contracts'
import type { Clock, Ids, Logger } from '@belfry/service'
import type { KeyStore } from './domain/ports.ts'
import { planKeys, type RotationRule, type SigningKey } from './domain/signing-keys.ts'

export interface KeyRingOptions {
  store: KeyStore
  clock: Pick<Clock, 'now'>
  ids: Ids
  log: Logger
  rule: RotationRule
}

/** The keys as they are used: one signs, one or two are published. */
export interface KeyRing {
  /** Makes a key when one is due, removes those that are over, and takes over what the store has. */
  turn(): Promise<void>
  /** The key that signs. Throws before the first turn. */
  signer(): { kid: string; privateKey: KeyObject }
  /** The published keys, as the store has them now: another instance may have made one. */
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
  let current: { kid: string; privateKey: KeyObject } | undefined

  const plan = async () => planKeys(await store.list(), clock.now(), rule)

  const makeOne = async () => {
    const key = makeKey(ids.uuid(), clock.now())
    await store.insert(key)
    log.info({ kid: key.kid }, 'a new key signs from now on')
  }

  return {
    async turn() {
      const { makesOne, over } = await plan()
      if (makesOne) await makeOne()
      if (over.length > 0) await store.remove(over.map((key) => key.kid))
      const { signs } = await plan()
      if (signs && signs.kid !== current?.kid) {
        current = { kid: signs.kid, privateKey: createPrivateKey(signs.privatePem) }
      }
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
