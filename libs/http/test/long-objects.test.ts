import { describe, expect, it } from 'vitest'
import { MalformedBody, readJsonBody } from '../src/json-body.ts'
import { hasLongObject } from '../src/long-objects.ts'

const isLong = (text: string) => hasLongObject(Buffer.from(text), 3)
const objectOf = (members: number) => Object.fromEntries(Array.from({ length: members }, (_, i) => [`name-${i}`, 1]))

describe('an object with many names', () => {
  it.each([
    ['exactly as many as may be', '{"a":1,"b":2,"c":3}', false],
    ['one more', '{"a":1,"b":2,"c":3,"d":4}', true],
    ['many objects of few names', '[{"a":1,"b":2},{"a":1,"b":2},{"a":1,"b":2}]', false],
    ['names below other ones', '{"a":{"b":{"c":{"d":{"e":1}}}}}', false],
    ['members before and behind an object', '{"a":1,"b":{"x":1},"c":3,"d":4}', true],
    ['colons in texts', '{"a:":"::::","b\\":":":::"}', false],
    ['an escape at the end of a text', '{"a\\\\":1,"b":2,"c":3,"d":4}', true],
    ['an object below many lists', `${'['.repeat(300)}{"a":1,"b":2,"c":3,"d":4}${']'.repeat(300)}`, true],
    ['a text without an end', '{"a":1,"', false],
    ['more ends than begins', '}]}]{"a":1,"b":2,"c":3,"d":4}', true],
  ])('is counted: %s', (_, text, expected) => {
    expect(isLong(text)).toBe(expected)
  })

  it('is refused in a large body before anything is parsed', () => {
    const text = `[${JSON.stringify(objectOf(10_001))},"${'x'.repeat(256 * 1024)}",`
    expect(() => readJsonBody(Buffer.from(text))).toThrow(
      new MalformedBody([{ pointer: '', code: 'too-large', detail: 'has an object with more than 10000 names' }]),
    )
    const fits = [objectOf(10_000), 'x'.repeat(256 * 1024)]
    expect(readJsonBody(Buffer.from(JSON.stringify(fits)))).toEqual(fits)
  })
})
