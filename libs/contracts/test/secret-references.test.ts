import { describe, expect, it } from 'vitest'
import { hasSecretReference, secretReferencesIn, withSecretValues } from '../src/secret-references.ts'

const params = {
  url: 'https://example.com/{{secret:PATH}}?k={{secret:KEY}}',
  list: [1, null, { 'a/b': '{{secret:KEY}}' }],
  '{{secret:NAME}}': true,
}

describe('references to secrets', () => {
  it('are found in every text, with their place, and not in the names of fields', () => {
    expect(secretReferencesIn(params)).toEqual([
      { pointer: '/url', name: 'PATH' },
      { pointer: '/url', name: 'KEY' },
      { pointer: '/list/2/a~1b', name: 'KEY' },
    ])
    expect(hasSecretReference({ '{{secret:NAME}}': 1 })).toBe(false)
    expect(hasSecretReference({ text: 'secret:KEY {{KEY}} {secret:KEY}' })).toBe(false)
  })

  it('that are none are found too, without a name', () => {
    const texts = ['{{secret:}}', '{{secret:a b}}', '{{secret:KEY', '{{secret:1}}', `{{secret:${'x'.repeat(65)}}}`]
    for (const text of texts) expect(secretReferencesIn({ text }), text).toEqual([{ pointer: '/text', name: null }])
    expect(secretReferencesIn('{{secret:KEY}} {{secret:')).toEqual([
      { pointer: '', name: 'KEY' },
      { pointer: '', name: null },
    ])
  })

  it('are replaced by their values, once: a value is no reference', () => {
    const values = new Map([
      ['PATH', '{{secret:KEY}}'],
      ['KEY', '$&'],
    ])
    expect(withSecretValues(params, values)).toEqual({
      url: 'https://example.com/{{secret:KEY}}?k=$&',
      list: [1, null, { 'a/b': '$&' }],
      '{{secret:NAME}}': true,
    })
    const plain = { a: ['b'] }
    expect(withSecretValues(plain, values)).toBe(plain)
  })

  it('of a deep and large value take time in proportion to its size', () => {
    let deep: unknown = '{{secret:KEY}}'
    for (let level = 0; level < 64; level += 1) deep = [Array.from({ length: 300 }, (_, n) => ({ n })), deep]
    const begin = performance.now()
    expect(secretReferencesIn(deep)).toHaveLength(1)
    withSecretValues(deep, new Map([['KEY', 'x']]))
    expect(performance.now() - begin).toBeLessThan(500)
  })
})
