import { describe, expect, it } from 'vitest'
import { plain } from './configuration.ts'
import { searches } from './configurations.ts'
import { hasPair, nameOfPair, pairs } from './coverage.ts'
import { createModel } from './model.ts'
import { mutants } from './mutants/index.ts'
import { realRules } from './rules.ts'
import { search } from './search/search.ts'
import { runTask } from './tasks.ts'

const mostStates = 50_000

describe('the model within small bounds', () => {
  it.each(['moved', 'trims-and-joins', 'settling'])('holds in every state: %s', (name) => {
    const result = runTask({ kind: 'configuration', name, mostStates })
    expect(result).toMatchObject({ rule: null, isExhausted: true })
    expect(result.states).toBeGreaterThan(1000)
  })

  it('has one end only where nothing goes wrong', () => {
    const result = search(createModel(plain, realRules), { mostStates, isLiveness: true })
    expect(result).toMatchObject({ goals: 1, isExhausted: true, violation: null })
  })

  /** One of each kind; `npm run proof:model` tries all. */
  const quick = [
    'finish-any-epoch',
    'insert-overwrites',
    'repeat-is-not-answered',
    'lost-runs-again',
    'starts-without-lease',
    'place-without-compare',
    'claims-ignore-floors',
    'fence-lists-before-it-writes',
    'any-status-acknowledges',
    'missed-is-not-logged',
  ]
  it.each(quick)('finds out what is left out: %s', (name) => {
    const { isAsExpected, rule, timeline, steps } = runTask({ kind: 'mutant', name, mostStates })
    expect({ isAsExpected, rule }).toEqual({ isAsExpected: true, rule: expect.any(String) })
    expect(timeline).toHaveLength(2 * (steps + 1) + 1)
  })

  it('takes the same shortest way each time', () => {
    const task = { kind: 'mutant', name: 'starts-under-old-name', mostStates } as const
    expect(runTask(task).timeline).toEqual(runTask(task).timeline)
  })
})

describe('what the model covers', () => {
  it.each(pairs.map(nameOfPair))('both in one search: %s', (name) => {
    const pair = pairs.find((one) => nameOfPair(one) === name)
    expect(pair && searches.some((config) => hasPair(config, pair))).toBe(true)
  })

  it('has names of their own for all searches and mutants', () => {
    const names = [...searches, ...mutants].map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(mutants.length).toBeGreaterThanOrEqual(20)
  })
})
