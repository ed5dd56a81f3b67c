import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTimerHeap } from '../src/timer-heap.ts'

const steps = fc.array(fc.record({ due: fc.integer({ min: 0, max: 20 }), cancel: fc.nat({ max: 60 }) }), {
  maxLength: 60,
})

describe('the heap of timers', () => {
  it('gives what was added and not cancelled, by time and then in the order of asking', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const heap = createTimerHeap()
        const entries = list.map(({ due }, seq) => heap.add(due, seq, () => undefined))
        const cancelled = new Set(list.map(({ cancel }) => cancel).filter((seq) => seq < list.length && seq % 2 === 0))
        for (const seq of cancelled) entries[seq]!.cancel()
        const kept = entries.filter((entry) => !cancelled.has(entry.seq))
        expect(heap.size()).toBe(kept.length)
        const taken = kept.map(() => heap.take())
        expect(taken).toEqual(kept.toSorted((a, b) => a.due - b.due || a.seq - b.seq))
        expect(heap.take()).toBeUndefined()
      }),
    )
  })

  it('keeps nothing of a million that were cancelled', () => {
    const heap = createTimerHeap()
    const stays = heap.add(5, -1, () => undefined)
    for (let seq = 0; seq < 1_000_000; seq++) heap.add(seq % 7, seq, () => undefined).cancel()
    expect(heap.size()).toBe(1)
    expect(heap.first()).toBe(stays)
  })

  it('takes a second cancel, and one after the call, for nothing', () => {
    const heap = createTimerHeap()
    const first = heap.add(1, 0, () => undefined)
    const second = heap.add(2, 1, () => undefined)
    expect(heap.take()).toBe(first)
    first.cancel()
    second.cancel()
    second.cancel()
    expect(heap.size()).toBe(0)
  })
})
