import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createSealer } from '../../src/domain/sealing.ts'

const [first, second] = ['a'.repeat(40), 'b'.repeat(40)]
const sealerOf = (...keys: string[]) => createSealer({ keys, randomBytes })

describe('a sealed text', () => {
  it('opens to what was sealed, shows nothing of it, and is another one each time', () => {
    const sealer = sealerOf(first)
    for (const text of ['plain', 'wörd ☃', 'x'.repeat(8192)]) {
      const sealed = sealer.seal(text, 'p')
      expect(sealed).not.toContain(text)
      expect(sealer.open(sealed, 'p')).toBe(text)
      expect(sealer.seal(text, 'p')).not.toBe(sealed)
    }
  })

  it('does not open for another purpose, nor when a character of it is changed', () => {
    const sealer = sealerOf(first)
    const sealed = sealer.seal('text', 'secret usr-a KEY')
    expect(() => sealer.open(sealed, 'secret usr-b KEY')).toThrow()
    for (let at = 0; at < sealed.length; at += 1) {
      const other = sealed[at] === 'A' ? 'B' : 'A'
      const changed = sealed.slice(0, at) + other + sealed.slice(at + 1)
      // Base64 has spare bits at the end of a part: such a text is the same bytes.
      const isSame = sealed.split('.').every((part, index) => {
        const bytes = (text: string) => Buffer.from(text.split('.')[index] ?? '', 'base64url').toString('hex')
        return index < 2 ? part === changed.split('.')[index] : bytes(sealed) === bytes(changed)
      })
      if (!isSame) expect(() => sealer.open(changed, 'secret usr-a KEY')).toThrow()
    }
  })

  it('opens with the key before the newest one, which seals what is new', () => {
    const old = sealerOf(first).seal('text', 'p')
    const rotated = sealerOf(second, first)
    expect(rotated.open(old, 'p')).toBe('text')
    expect([rotated.isNewest(old), rotated.isNewest(rotated.seal('text', 'p'))]).toEqual([false, true])
    expect(() => sealerOf(first).open(rotated.seal('text', 'p'), 'p')).toThrow('is not set')
  })
})
