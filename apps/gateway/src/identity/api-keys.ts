import { hash } from 'node:crypto'
import { type Refusal, refusal, swapKeyReply, tolerant } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'
import { createRateLimiter, type SwapApiKey } from '@belfry/http'
import type { Clock, Logger } from '@belfry/service'
import { LRUCache } from 'lru-cache'
import type { GatewayConfig } from '../config.ts'
import { addressKey, addressOfRequest } from '../limits/client-address.ts'

export interface ApiKeySwapDeps {
  readonly rest: RestClient
  readonly clock: Pick<Clock, 'monotonic'>
  readonly log: Logger
  readonly config: GatewayConfig
}

/** What auth-service said of a key: a token, or null; used until then, by the monotonic clock. */
interface Swapped {
  readonly token: string | null
  readonly until: number
}

const shape = /^bfk_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/
const path = '/internal/api-keys/swap'
const replyShape = tolerant(swapKeyReply)

const description = 'The API key is not known, has expired, was deleted, or its owner is shut out'
const notTaken = refusal('unauthenticated', `${description}.`, { tokenError: { description } })
const outOfReach = refusal('unavailable', 'API keys cannot be checked while auth-service is out of reach.')

const nameOf = (key: string) => hash('sha256', key, 'base64')

/**
 * Swaps API keys at auth-service for access tokens, and remembers each answer for a while: keys that were refused too, so that a
 * program with a wrong key costs one call in seconds. Calls with one key at the same moment share one call. A deleted key works
 * for `gatewayApiKeyCacheMs` at most.
 */
export function createApiKeySwap({ rest, clock, log, config }: ApiKeySwapDeps): SwapApiKey {
  const known = new LRUCache<string, Swapped>({ maxSize: config.gatewayApiKeys, sizeCalculation: () => 1 })
  const underWay = new Map<string, Promise<Swapped | Refusal>>()
  const unknownLimit = createRateLimiter({
    name: 'unknown-api-key',
    counts: 'unknown API keys from one address',
    quota: config.gatewayUnknownApiKeysPerMinute,
    windowMs: 60_000,
    keys: config.gatewayRateKeys,
    clock,
  })

  const ask = async (key: string): Promise<Swapped | Refusal> => {
    try {
      const { status, body } = await rest.request({ service: 'auth-service', method: 'POST', path, body: { key } })
      if (status !== 200) throw new Error(`auth-service answered ${status}`)
      const { token } = replyShape.parse(body)
      const usedMs = token === null ? config.gatewayApiKeyRefusedMs : config.gatewayApiKeyCacheMs
      return { token, until: clock.monotonic() + usedMs }
    } catch (err) {
      log.warn({ err }, 'an API key could not be checked')
      return outOfReach
    }
  }

  /**
   * A key counts before auth-service is asked, so that calls with many keys at the same moment cannot pass the limit together. It
   * counts no more once it is taken, or could not be checked.
   */
  const askCounted = (name: string, key: string, address: string): Promise<Swapped | Refusal> => {
    const limit = unknownLimit.take(address)
    if (limit.waitMs > 0) return Promise.resolve(unknownLimit.refusalOf(limit))
    const asking = ask(key).then((swapped) => {
      underWay.delete(name)
      const isUnknown = 'until' in swapped && swapped.token === null
      if (!isUnknown) unknownLimit.giveBack(address)
      if (!('until' in swapped)) return swapped
      known.set(name, swapped)
      return swapped
    })
    underWay.set(name, asking)
    return asking
  }

  return async (key, request) => {
    if (!shape.test(key)) return notTaken
    const name = nameOf(key)
    const found = known.get(name)
    if (found && clock.monotonic() < found.until) return found.token ?? notTaken
    const address = addressKey(addressOfRequest(request.raw, config.gatewayTrustProxy))
    const swapped = await (underWay.get(name) ?? askCounted(name, key, address))
    return 'until' in swapped ? (swapped.token ?? notTaken) : swapped
  }
}
