import { createTokenVerifier } from '@belfry/http'
import { type Clock, createIds, createLog, createManualClock, type ManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createKeyRing, type KeyRing } from '../../src/keys/key-ring.ts'
import { createDocumentStores } from '../store/document-stores.ts'

const second = 1_000
const minute = 60 * second
const tokenMs = 15 * minute
const checkMs = 20 * minute
const rule = {
  lifetimeMs: 6 * 60 * minute,
  publishMs: 30 * second,
  settledMs: 10 * minute,
  overlapMs: 2 * checkMs + 10 * minute + tokenMs + minute,
}

/** From 0 up to 1, the same numbers for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
}

/** A clock whose wall time differs by so much. */
const skewed = (clock: Clock, byMs: number): Clock => ({ ...clock, now: () => clock.now() + byMs })

/** An instance of auth-service that is there for a while: looks at the keys every `checkMs`, and signs. */
function createInstance(clock: ManualClock, store: ReturnType<typeof createDocumentStores>['keys'], skewMs: number) {
  const open = () =>
    createKeyRing({
      store,
      clock: skewed(clock, skewMs),
      ids: createIds(),
      log: createLog({ level: 'silent' }),
      rule,
      readEveryMs: 5 * second,
    })
  let ring: KeyRing = open()
  let nextAt = 0
  let pausedUntil = 0
  return {
    isAwake: () => clock.monotonic() >= pausedUntil,
    pause(ms: number) {
      pausedUntil = clock.monotonic() + ms
    },
    async restart() {
      ring = open()
      await ring.rotate()
    },
    async turn() {
      if (clock.monotonic() < nextAt) return
      nextAt = clock.monotonic() + checkMs
      await ring.rotate()
    },
    sign: async () => (await ring.signer()).kid,
    published: () => ring.published(),
  }
}

describe('several instances of auth-service on one store', () => {
  it('sign with the newest key of another one within seconds', async () => {
    const clock = createManualClock()
    const store = createDocumentStores().keys
    const [one, other] = [createInstance(clock, store, 0), createInstance(clock, store, 0)]
    for (const each of [one, other]) await each.restart()
    const first = await one.sign()
    expect(await other.sign()).toBe(first)
    await clock.advance(rule.lifetimeMs)
    await one.turn()
    // The other one has not had its turn, and logins go on.
    for (let ms = 0; ms < 40 * second; ms += second) {
      await clock.advance(second)
      await other.sign()
    }
    const next = await one.sign()
    expect(next).not.toBe(first)
    expect(await other.sign()).toBe(next)
  })

  it('sign no token that a verifier refuses which has fetched the keys just before the next one', async () => {
    const clock = createManualClock()
    const one = createInstance(clock, createDocumentStores().keys, 0)
    await one.restart()
    const first = await one.sign()
    const verifier = createTokenVerifier({ jwks: one.published, clock })
    await clock.advance(rule.lifetimeMs - second)
    await verifier.keyOf('made up')
    await clock.advance(second)
    await one.turn()
    let kid = first
    for (let ms = 0; kid === first && ms < minute; ms += second) {
      kid = await one.sign()
      expect(await verifier.keyOf(kid)).toBeDefined()
      await clock.advance(second)
    }
    expect(kid).not.toBe(first)
  })

  it('that make a key at the same moment go on with one of the two', async () => {
    const clock = createManualClock()
    const store = createDocumentStores().keys
    const instances = [0, 1, 2].map(() => createInstance(clock, store, 0))
    await Promise.all(instances.map((one) => one.restart()))
    await clock.advance(rule.lifetimeMs)
    await Promise.all(instances.map((one) => one.turn()))
    await clock.advance(rule.publishMs + 10 * second)
    for (const one of instances) await one.sign()
    await clock.advance(rule.publishMs)
    const kids = await Promise.all(instances.map((one) => one.sign()))
    expect(new Set(kids).size).toBe(1)
  })

  it.each(Array.from({ length: 12 }, (_, seed) => seed + 1))(
    'whose clocks differ, that sleep and restart, sign no token that is refused (seed %i)',
    async (seed) => {
      const random = createRandom(seed)
      const pick = <T>(some: readonly T[]) => some[Math.floor(random() * some.length)] as T
      const clock = createManualClock()
      const store = createDocumentStores().keys
      // Each clock is at most 5 min off.
      const instances = [0, 1, 2].map(() => createInstance(clock, store, Math.floor((random() - 0.5) * 10 * minute)))
      for (const one of instances) await one.restart()
      const verifiers = [0, 1].map(() =>
        createTokenVerifier({ jwks: () => pick(instances.filter((one) => one.isAwake())).published(), clock }),
      )
      const tokens: { readonly kid: string; readonly until: number }[] = []
      const kids = new Set<string>()
      const end = 4 * rule.lifetimeMs
      while (clock.monotonic() < end) {
        await clock.advance(Math.floor(random() * 90 * second))
        if (random() < 0.005) pick(instances.slice(1)).pause(random() * 3 * 60 * minute)
        const awake = instances.filter((one) => one.isAwake())
        for (const one of awake) await one.turn()
        if (random() < 0.01) await pick(awake).restart()
        // Made-up key ids let a verifier fetch just before a key is published.
        for (const one of verifiers) if (random() < 0.7) await one.keyOf('made up')
        const kid = await pick(awake).sign()
        kids.add(kid)
        tokens.push({ kid, until: clock.now() + tokenMs })
        const valid = tokens.filter(({ until }) => clock.now() < until)
        for (const token of [{ kid }, pick(valid)])
          for (const one of verifiers) expect(await one.keyOf(token.kid)).toBeDefined()
        expect((await store.list()).length).toBeLessThanOrEqual(4)
      }
      expect(kids.size).toBeGreaterThanOrEqual(4)
      await clock.advance(rule.overlapMs)
      for (const one of instances) await one.restart()
    },
    60_000,
  )
})
