import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'

/** Seals short texts that may not be read in the store: values of secrets, keys of webhooks. */
export interface Sealer {
  /** The sealed text. `purpose` names what it belongs to: under another purpose it does not open. */
  seal(text: string, purpose: string): string
  /** Throws where no key opens it: it was sealed with another key or for another purpose, or it was altered. */
  open(sealed: string, purpose: string): string
  /** Whether the newest key has sealed it. */
  isNewest(sealed: string): boolean
}

export interface SealerOptions {
  /** Texts of at least 32 bytes: the first one seals, all of them open. */
  readonly keys: readonly string[]
  readonly randomBytes: (count: number) => Uint8Array
}

interface Key {
  /** Eight hexadecimal digits, from the key. They stand in the sealed text and reveal nothing of the key. */
  readonly id: string
  readonly bytes: Uint8Array
}

const version = '1'
const algorithm = 'aes-256-gcm'
/** NIST SP 800-38D, 8.2: random initialisation vectors of 96 bits; one key may seal 2^32 texts. */
const ivBytes = 12
const tagBytes = 16

function derive(text: string, info: string, bytes: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', text, '', info, bytes))
}

function readKey(text: string): Key {
  return {
    id: Buffer.from(derive(text, 'belfry key id', 4)).toString('hex'),
    bytes: derive(text, 'belfry sealing', 32),
  }
}

const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')

/** AES-256-GCM. A sealed text is `1.<key id>.<initialisation vector>.<ciphertext and tag>`. */
export function createSealer({ keys, randomBytes }: SealerOptions): Sealer {
  const known = keys.map(readKey)
  const [newest] = known
  if (!newest) throw new Error('a sealer needs a key')

  return {
    seal(text, purpose) {
      const iv = randomBytes(ivBytes)
      const cipher = createCipheriv(algorithm, newest.bytes, iv, { authTagLength: tagBytes }).setAAD(
        Buffer.from(purpose),
      )
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return [version, newest.id, encode(iv), encode(sealed)].join('.')
    },
    open(sealed, purpose) {
      const [given, id, iv = '', body = ''] = sealed.split('.')
      const key = known.find((one) => one.id === id)
      if (given !== version || !key) throw new Error(`the key ${id} that has sealed a text is not set`)
      const bytes = Buffer.from(body, 'base64url')
      const options = { authTagLength: tagBytes }
      const decipher = createDecipheriv(algorithm, key.bytes, Buffer.from(iv, 'base64url'), options)
      decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(-tagBytes))
      return `${decipher.update(bytes.subarray(0, -tagBytes)).toString('utf8')}${decipher.final('utf8')}`
    },
    isNewest: (sealed) => sealed.split('.')[1] === newest.id,
  }
}
