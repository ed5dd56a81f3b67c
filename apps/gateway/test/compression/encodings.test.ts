import { describe, expect, it } from 'vitest'
import { chooseEncoding } from '../../src/compression/encodings.ts'

describe('the encoding of an answer', () => {
  it.each([
    ['gzip, deflate, br', 'br'],
    ['gzip, deflate', 'gzip'],
    ['GZIP', 'gzip'],
    ['br;q=0.5, gzip', 'gzip'],
    ['br; q=0.8, gzip;q=0.8', 'br'],
    ['br;q=0, gzip;q=0', null],
    ['*', 'br'],
    ['*;q=0', null],
    ['br;q=0, *', 'gzip'],
    ['identity', null],
    ['identity, gzip;q=0.5', null],
    ['gzip, identity;q=0.5', 'gzip'],
    ['deflate', null],
    ['', null],
    ['gzip;q=nonsense', null],
    [`${'a,'.repeat(200)}gzip`, null],
  ])('for %j is %s', (accept, encoding) => {
    expect(chooseEncoding(accept)).toBe(encoding)
  })
})
