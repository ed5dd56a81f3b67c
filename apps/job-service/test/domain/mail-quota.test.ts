import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressKey, mailCountIds, mailsUsed, takeMail } from '../../src/domain/mail-quota.ts'

const quota = { most: 4, windowMs: 1000 }
const fresh = { id: 'user usr-a', backAt: 0, rev: 0 }

describe('the quota of mails', () => {
  it('may be used at once, and comes back evenly', () => {
    let count = fresh
    for (let n = 1; n <= 4; n += 1) {
      const taken = takeMail(count, 5000, quota)
      if (taken.kind !== 'taken') throw new Error('there is room')
      count = taken.next
      expect([mailsUsed(count, 5000, quota), count.rev]).toEqual([n, n])
    }
    expect(takeMail(count, 5000, quota)).toEqual({ kind: 'wait', waitMs: 250 })
    expect(takeMail(count, 5249, quota)).toEqual({ kind: 'wait', waitMs: 1 })
    expect(takeMail(count, 5250, quota)).toMatchObject({ kind: 'taken', next: { backAt: 6250 } })
    expect(mailsUsed(count, 5500, quota)).toBe(2)
    expect(mailsUsed(count, 9000, quota)).toBe(0)
  })

  it('is never exceeded in any window', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 60 }), (waits) => {
        let [count, now] = [fresh, 10_000]
        const sent: number[] = []
        for (const wait of waits) {
          now += wait
          const taken = takeMail(count, now, quota)
          if (taken.kind === 'wait') continue
          count = taken.next
          sent.push(now)
        }
        // All of it at once, and what came back within the window.
        for (const at of sent) {
          const within = sent.filter((one) => one >= at && one < at + quota.windowMs)
          expect(within.length).toBeLessThan(2 * quota.most)
        }
      }),
    )
  })

  it('waits no longer than its window after a clock that was set back', () => {
    expect(takeMail({ ...fresh, backAt: 99_999_999 }, 1000, quota)).toEqual({ kind: 'wait', waitMs: 250 })
  })

  it('counts an address whatever its case and suffix, and stores no address', () => {
    expect(addressKey('Ada+nightly+x@Example.com')).toBe('ada@example.com')
    expect(addressKey('ada@example.com')).not.toBe(addressKey('bo@example.com'))
    expect(mailCountIds.toAddress('Ada+x@example.com')).toBe(mailCountIds.toAddress('ada@EXAMPLE.com'))
    for (const id of [mailCountIds.toAddress('ada@example.com'), mailCountIds.codesTo('ada@example.com')]) {
      expect(id).not.toContain('ada')
    }
  })
})
