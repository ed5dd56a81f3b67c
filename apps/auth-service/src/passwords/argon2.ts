import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { createHashQueue, type HashQueueLimits } from './hash-queue.ts'
import type { Passwords } from './passwords.ts'

/** Argon2id as `node:crypto` has it: on the thread pool, off the event loop. */
const derive = promisify(argon2)

/** OWASP's second choice for argon2id: 19 MiB, 2 passes, 1 lane (about 75 ms). */
export interface Argon2Options {
  readonly memoryKib: number
  readonly passes: number
  readonly queue: HashQueueLimits
}

interface Cost {
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
}

const saltBytes = 16
const hashBytes = 32

/** Two texts that look the same to a person are the same password (RFC 8265). */
function bytesOf(password: string): Buffer {
  return Buffer.from(password.normalize('NFKC'))
}

function hashOf(password: string, nonce: Buffer, cost: Cost): Promise<Buffer> {
  return derive('argon2id', { message: bytesOf(password), nonce, tagLength: hashBytes, ...cost })
}

const unpadded = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')

/** The PHC string format: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`. */
function write(salt: Buffer, hash: Buffer, cost: Cost): string {
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${unpadded(salt)}$${unpadded(hash)}`
}

const phc = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

function read(text: string): { salt: Buffer; hash: Buffer; cost: Cost } {
  const parts = phc.exec(text)
  if (!parts) throw new Error('a stored password hash has no known format')
  const [memory, passes, parallelism] = parts.slice(1, 4).map(Number) as [number, number, number]
  const [salt, hash] = parts.slice(4, 6).map((part) => Buffer.from(part, 'base64')) as [Buffer, Buffer]
  return { salt, hash, cost: { memory, passes, parallelism } }
}

/** Passwords by argon2id. A hash holds the parameters it was made with, so these may change. */
export function createArgon2Passwords(options: Argon2Options): Passwords {
  const cost: Cost = { memory: options.memoryKib, passes: options.passes, parallelism: 1 }
  const queue = createHashQueue(options.queue)
  // An unknown user costs the same hash as a known one.
  const unknownUser = { salt: randomBytes(saltBytes), hash: randomBytes(hashBytes), cost }

  const matches = async (password: string, hash: string | null): Promise<boolean> => {
    const known = hash === null ? unknownUser : read(hash)
    const given = await hashOf(password, known.salt, known.cost)
    return timingSafeEqual(given, known.hash) && hash !== null
  }

  return {
    hash: (password, address) =>
      queue.signup(address, async () => {
        const salt = randomBytes(saltBytes)
        return write(salt, await hashOf(password, salt, cost), cost)
      }),
    check: (judge) => queue.login((hash) => judge((password, known) => hash(() => matches(password, known)))),
  }
}
