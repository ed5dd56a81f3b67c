import { describe, expect, it } from 'vitest'
import { benchmarks } from '../benchmarks.ts'
import { readOptions } from './command.ts'
import { warningOf } from './machine.ts'
import { figureNames, fullOptions, peerMeasurements, steps } from './plan.ts'

describe('the plan of the table', () => {
  it('measures each figure of the design', () => {
    expect(figureNames).toEqual(['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7', 'P8', 'G1', 'G2'])
  })

  it.each(steps)('gives $benchmark only options that it has', ({ benchmark, full, quick }) => {
    const known = Object.keys(benchmarks[benchmark]?.defaults ?? {})
    const given = [full, quick, fullOptions[benchmark] ?? {}].flatMap(Object.keys)
    expect(known).toEqual(expect.arrayContaining(given))
  })

  it.each(peerMeasurements)('measures $key beside a benchmark of the table', ({ beside, settings }) => {
    expect(steps.map(({ benchmark }) => benchmark)).toContain(beside)
    expect(settings.length).toBeGreaterThan(0)
  })
})

describe('the arguments', () => {
  it('take some figures, or all', () => {
    expect(readOptions(['--only', 'P1,G2']).only).toEqual(['P1', 'G2'])
    expect(readOptions([]).only).toEqual(figureNames)
  })

  it('name the figures there are for one that there is not', () => {
    expect(() => readOptions(['--only', 'P9'])).toThrow(/P1, P2, .* not "P9"/)
  })
})

describe('the load of the machine', () => {
  it('is warned of when something else runs', () => {
    expect(warningOf({ loadBefore: 3, cores: 2 })).toContain('load average is 3')
    expect(warningOf({ loadBefore: 0.4, cores: 2 })).toBe('')
  })
})
