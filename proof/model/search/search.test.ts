import { describe, expect, it } from 'vitest'
import { type Step, type System, search } from './search.ts'

interface Jug {
  readonly small: number
  readonly large: number
}

/** Two jugs of 3 and 5 litres: a system whose states are easily counted. */
const jugs: System<Jug> = {
  initial: { small: 0, large: 0 },
  steps({ small, large }) {
    const poured = Math.min(small, 5 - large)
    const back = Math.min(large, 3 - small)
    const steps: Record<string, Jug> = {
      'fill the small one': { small: 3, large },
      'fill the large one': { small, large: 5 },
      'empty the small one': { small: 0, large },
      'empty the large one': { small, large: 0 },
      'pour into the large one': { small: small - poured, large: large + poured },
      'pour into the small one': { small: small + back, large: large - back },
    }
    return Object.entries(steps).map(([name, to]): Step<Jug> => ({ name, to }))
  },
  canonical: (jug) => jug,
  check: () => undefined,
  checkStep: () => undefined,
  isGoal: ({ large }) => large === 4,
  checkGoal: () => undefined,
}
const options = { mostStates: 1000, isLiveness: true }

describe('a search', () => {
  it('finds every state once, and that each leads to the goal', () => {
    expect(search(jugs, options)).toMatchObject({
      states: 16,
      transitions: 96,
      goals: 2,
      isExhausted: true,
      violation: null,
    })
  })

  it('answers the shortest way to what is wrong', () => {
    const { violation } = search({ ...jugs, check: ({ large }) => (large === 4 ? 'four litres' : undefined) }, options)
    expect(violation?.rule).toBe('four litres')
    expect(violation?.path.map(({ step }) => step)).toEqual([
      'the beginning',
      'fill the large one',
      'pour into the small one',
      'empty the small one',
      'pour into the small one',
      'fill the large one',
      'pour into the small one',
    ])
    expect(violation?.path.at(-1)?.state).toEqual({ small: 3, large: 4 })
  })

  it('reports a step that breaks a promise, and the way to it', () => {
    const checkStep = (before: Jug, after: Jug) => (before.large === 5 && after.large === 2 ? 'spilt' : undefined)
    const { violation } = search({ ...jugs, checkStep }, options)
    expect(violation?.path.map(({ step }) => step)).toEqual([
      'the beginning',
      'fill the large one',
      'pour into the small one',
    ])
  })

  it('does not count on faults to come to the goal', () => {
    const steps = (jug: Jug) => jugs.steps(jug).map((step) => ({ ...step, isFault: step.name.startsWith('pour') }))
    expect(search({ ...jugs, steps }, options).violation).toMatchObject({
      rule: expect.stringMatching(/^I10/),
      path: [{ step: 'the beginning' }],
    })
  })

  it('takes states that stand for each other as one', () => {
    const canonical = ({ small, large }: Jug) => (small > large ? { small: large, large: small } : { small, large })
    const isGoal = () => true
    expect(search({ ...jugs, canonical, isGoal }, options).states).toBeLessThan(16)
  })

  it('gives up where it is asked to', () => {
    expect(search(jugs, { ...options, mostStates: 5 })).toMatchObject({ isExhausted: false, violation: null })
  })
})
