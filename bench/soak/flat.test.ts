import { describe, expect, it } from 'vitest'
import { judge, lowestOf, type Point, slopeOf } from './flat.ts'

const series = (count: number, valueAt: (at: number) => number): Point[] =>
  Array.from({ length: count }, (_, at) => ({ at, value: valueAt(at) }))
const tolerance = { share: 0.05, least: 1 }

describe('the slope of a series', () => {
  it('is that of a straight line', () => expect(slopeOf(series(10, (at) => 3 * at + 7))).toBe(3))
  it('is 0 for one point', () => expect(slopeOf(series(1, () => 5))).toBe(0))
  it('does not follow an outlier', () => {
    expect(slopeOf(series(31, (at) => (at === 30 ? 10_000 : at)))).toBe(1)
  })
})

describe('the lowest points', () => {
  it('are those that a heap returns to, whatever it reaches in between', () => {
    const heap = series(180, (at) => 80 + (at % 9) * 10 + at / 10)
    const lowest = lowestOf(heap, 20)
    expect(lowest).toHaveLength(20)
    expect(judge(lowest, { share: 0, least: 11 }).growth).toBeGreaterThan(11)
    expect(judge(lowest, { share: 0, least: 11 }).isFlat).toBe(false)
    expect(
      judge(
        lowestOf(
          series(180, (at) => 80 + (at % 9) * 10),
          20,
        ),
        { share: 0, least: 1 },
      ).isFlat,
    ).toBe(true)
  })
})

describe('a series', () => {
  it('is flat when it goes up and down around one level', () => {
    expect(
      judge(
        series(180, (at) => 100 + 10 * Math.sin(at)),
        tolerance,
      ).isFlat,
    ).toBe(true)
  })

  it('is not flat when it rises steadily by more than the tolerance', () => {
    const { isFlat, growth, allowed } = judge(
      series(181, (at) => 100 + at / 10),
      tolerance,
    )
    expect(growth).toBeCloseTo(12)
    expect(allowed).toBeCloseTo(5.6, 0)
    expect(isFlat).toBe(false)
  })

  it('may grow in its first third', () => {
    expect(
      judge(
        series(180, (at) => Math.min(at, 60)),
        tolerance,
      ).isFlat,
    ).toBe(true)
  })

  it('may shrink', () =>
    expect(
      judge(
        series(180, (at) => 1000 - at),
        tolerance,
      ).isFlat,
    ).toBe(true))

  it('may grow by what cannot be told from nothing', () => {
    expect(
      judge(
        series(180, (at) => at / 300),
        { share: 0.05, least: 1 },
      ).isFlat,
    ).toBe(true)
  })
})
