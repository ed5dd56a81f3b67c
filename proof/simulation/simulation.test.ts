import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { countImmediates } from './event-loop.ts'
import { mutants } from './mutants.ts'
import { simulate } from './simulate.ts'

let stop: () => void
beforeAll(() => {
  stop = countImmediates()
})
afterAll(() => stop())

describe('a simulated world', () => {
  it('keeps every promise, with some seeds', async () => {
    for (const seed of [1, 2, 3]) expect((await simulate(seed)).violations, `seed ${seed}`).toEqual([])
  })

  it('has the same history each time, whatever was simulated before', async () => {
    const first = (await simulate(7)).hash()
    await simulate(8)
    expect((await simulate(7)).hash()).toBe(first)
    expect((await simulate(8)).hash()).not.toBe(first)
  })
})

/** Seeds in which a mutant must be found. */
const seedsForMutants = 200
/** How long they may take on a machine that does other things as well, milliseconds. */
const mutantMs = 300_000

describe('a world without a guard', () => {
  it.each(mutants)(
    'shows it: $name',
    async ({ wrap, firstSeed = 1 }) => {
      let found: string | undefined
      for (let seed = firstSeed; seed < firstSeed + seedsForMutants && found === undefined; seed++) {
        const { violations } = await simulate(seed, { wrapStores: wrap })
        found = violations[0]?.rule
      }
      expect(found).toMatch(/^I\d+$/)
    },
    mutantMs,
  )
})
