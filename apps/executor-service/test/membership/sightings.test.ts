import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSightings } from '../../src/membership/sightings.ts'

const leaseMs = 3000
const row = (beat: number) => ({ instance: 'other', beat, gone: false })

/** A read: how long after the answer of the one before it is sent, how long it takes, and when in it the store is read. */
const read = fc.record({
  afterMs: fc.oneof(fc.nat(leaseMs / 2), fc.nat(6 * leaseMs)),
  takesMs: fc.oneof(fc.nat(leaseMs / 10), fc.nat(2 * leaseMs)),
  seenAt: fc.double({ min: 0, max: 1, noNaN: true }),
})
type Read = typeof read extends fc.Arbitrary<infer R> ? R : never

/** Lets the reads happen one after the other; answers when each was sent, seen and answered, and whether it found silence. */
function look(reads: readonly Read[], beatAt: (time: number) => number) {
  const find = createSightings(leaseMs)
  let now = 0
  return reads.map(({ afterMs, takesMs, seenAt }) => {
    const sentAt = now + afterMs
    const answeredAt = sentAt + takesMs
    const storeAt = sentAt + seenAt * takesMs
    now = answeredAt
    const isSilent = find({ sentAt, answeredAt, rows: [row(beatAt(storeAt))] }).length > 0
    return { sentAt, answeredAt, isSilent }
  })
}

describe('the sightings of executors', () => {
  it('never find one silent that beats at least once in a lease, however the reads come', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: leaseMs - 1 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(read, { maxLength: 40 }), gaps, (reads, spacing) => {
        const beats: number[] = []
        for (let at = 0, n = 0; at < 400 * leaseMs; n += 1) {
          at += spacing[n % spacing.length] ?? 1
          beats.push(at)
          if (beats.length > 20_000) break
        }
        const beatAt = (time: number) => beats.filter((at) => at <= time).length
        const last = beats.at(-1) ?? 0
        const looks = look(reads, beatAt).filter((one) => one.answeredAt <= last)
        expect(looks.filter((one) => one.isSilent)).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  it('find one silent only when its last beat was applied a lease before the read was sent', () => {
    fc.assert(
      fc.property(fc.array(read, { maxLength: 60 }), fc.nat(10 * leaseMs), (reads, diedAt) => {
        const beatAt = (time: number) => Math.floor(Math.min(time, diedAt) / 1000)
        const lastBeatAt = Math.floor(diedAt / 1000) * 1000
        for (const { sentAt, isSilent } of look(reads, beatAt)) {
          if (isSilent) expect(sentAt - lastBeatAt).toBeGreaterThanOrEqual(leaseMs)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('find one that is dead within the bound, however the reads come', () => {
    fc.assert(
      fc.property(fc.array(read, { minLength: 30, maxLength: 60 }), fc.nat(3 * leaseMs), (reads, diedAt) => {
        const beatAt = (time: number) => Math.floor(Math.min(time, diedAt) / 1000)
        const looks = look(reads, beatAt)
        const longest = Math.max(
          looks[0]?.answeredAt ?? 0,
          ...looks.slice(1).map((one, n) => one.answeredAt - (looks[n]?.sentAt ?? 0)),
        )
        const bound = diedAt + Math.max(leaseMs, 3 * longest) + 2 * longest
        for (const { answeredAt, isSilent } of looks) if (answeredAt > bound) expect(isSilent).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it.each([0.1, 0.25, 0.33, 0.4, 0.9, 3])('find one that is dead when reads come %d leases apart', (apart) => {
    const find = createSightings(leaseMs)
    let reads = 0
    let isSilent = false
    while (!isSilent && reads < 1000) {
      const at = reads * apart * leaseMs
      reads += 1
      isSilent = find({ sentAt: at, answeredAt: at, rows: [row(1)] }).length > 0
    }
    expect(reads).toBe(1 + Math.max(3, Math.ceil(1 / apart - 1e-9)))
  })

  it('say nothing of one that is gone or that comes back with another beat', () => {
    const find = createSightings(leaseMs)
    const at = (ms: number, rows: readonly ReturnType<typeof row>[]) => find({ sentAt: ms, answeredAt: ms, rows })
    for (const ms of [0, 1000, 2000]) expect(at(ms, [row(1)])).toEqual([])
    expect(at(3000, [{ ...row(1), gone: true }])).toEqual([])
    expect(at(4000, [row(1)])).toEqual([])
    for (const ms of [5000, 6000]) expect(at(ms, [row(1)])).toEqual([])
    expect(at(7000, [row(2)])).toEqual([])
    for (const ms of [8000, 9000]) expect(at(ms, [row(2)])).toEqual([])
    expect(at(10_000, [row(2)])).toEqual([row(2)])
  })
})
