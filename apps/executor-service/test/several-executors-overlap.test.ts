import { isEnded, type OverlapPolicy } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import type { Stores } from '../src/store/ports.ts'
import { calm, createRandom } from './instances.ts'
import { command, executionId, jobId, policy, start } from './samples.ts'
import { openInstances, type Start, send } from './several-instances.ts'

/** How many seeds are tried; more by hand. */
const seeds = Number(process.env.BELFRY_TEST_SEEDS ?? 4)
const firstSeed = Number(process.env.BELFRY_TEST_FIRST_SEED ?? 1)

const policies: readonly OverlapPolicy[] = [
  { policy: 'skip', limit: 1 },
  { policy: 'queue', limit: 1 },
  { policy: 'queue', limit: 2 },
  { policy: 'cancel-running', limit: 1 },
  { policy: 'allow', limit: 2, isLimited: true },
]
const cases = policies.flatMap((overlap) =>
  Array.from({ length: seeds }, (_, n) => [overlap.policy, overlap.limit, firstSeed + n, overlap] as const),
)

/** Executions of one job of each half second, of which some fail once. */
const commandsOf = (random: () => number, overlap: OverlapPolicy) =>
  Array.from({ length: 30 }, (_, n) => {
    const retry = { maxRetries: 1, backoff: 'fixed', delayMs: 700, factor: 1, maxDelayMs: 700, jitter: false } as const
    const ms = Math.floor(50 + random() * 1500)
    return command({
      executionId: executionId(n + 1),
      fireAt: start + 500 * (n + 1),
      params: { ms },
      policy: policy({ overlap, retry }),
    })
  })

describe('a job that limits overlap, on several executors', () => {
  it.each(cases)(
    'with %s and limit %i never has more at work than that, and comes to an end (seed %i)',
    async (_, limit, seed, overlap) => {
      const most: number[] = []
      /** Those at work with a lease: started, and their attempts are still the owners after this start. */
      async function count(_: Start, stores: Stores, starts: readonly Start[]): Promise<void> {
        const ids = [...new Set(starts.map((one) => one.id))]
        const found = await stores.executions.find(ids)
        const owned = found.filter((one) => {
          const is = one?.execution
          return is?.state === 'running' && starts.some(({ id, epoch }) => id === is.id && epoch === is.epoch)
        })
        most.push(owned.length)
      }
      const skews = createRandom(seed + 1000)
      const world = await openInstances(seed, 3, () => Math.floor((skews() - 0.5) * 200), count)
      const { base, random, stores, starts, stale, instances, pass } = world
      const commands = commandsOf(random, overlap)
      for (const { trouble } of instances) Object.assign(trouble, { unavailable: 0.01, lost: 0.01, latencyMs: 30 })
      for (let n = 0; n < 170; n += 1) {
        if (n % 5 === 0) await send(world, commands, base.now())
        const instance = instances[Math.floor(random() * instances.length)]
        if (n % 60 === 30) instance?.clock.pause('stopped')
        if (n % 60 === 50) for (const { clock } of instances) clock.resume()
        await pass(100)
      }
      for (const { clock, trouble } of instances) {
        clock.resume()
        Object.assign(trouble, calm())
      }
      for (let n = 0; n < 60; n += 1) {
        await send(world, commands, base.now())
        await pass(1000)
        const found = await stores.executions.find(commands.map((one) => one.executionId))
        if (found.every((one) => one && isEnded(one.execution.state))) break
      }

      expect(stale).toEqual([])
      expect(Math.max(...most)).toBe(limit)
      const [admission] = await stores.admissions.read([jobId()])
      expect(admission?.places.length).toBeLessThanOrEqual(limit)
      const ends =
        overlap.policy === 'cancel-running' ? ['succeeded', 'skipped', 'cancelled'] : ['succeeded', 'skipped']
      const found = await stores.executions.find(commands.map((one) => one.executionId))
      for (const one of found) {
        const about = JSON.stringify({ ...one?.execution, params: undefined })
        expect(ends, about).toContain(one?.execution.state)
        if (one?.execution.state === 'skipped') expect(one.execution.blockedBy, about).not.toBe(null)
      }
      const ran = new Set(starts.map(({ id }) => id)).size
      expect(ran).toBeGreaterThan(5)
    },
    120_000,
  )
})
