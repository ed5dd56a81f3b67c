import { describe, expect, it } from 'vitest'
import { createPeerTurns } from '../../src/index.ts'

describe('the turns of an instance', () => {
  const turnsOf = (index: number) => {
    const takesTurn = createPeerTurns(() => ({ index, instances: 3 }))
    return Array.from({ length: 7 }, takesTurn)
  }

  it('are all for the first instance, and each third for another one', () => {
    expect(turnsOf(0)).toEqual(Array(7).fill(true))
    expect(turnsOf(2)).toEqual([true, false, false, true, false, false, true])
  })
})
