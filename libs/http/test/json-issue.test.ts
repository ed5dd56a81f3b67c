import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describeJsonIssue, findJsonIssue } from '../src/json-issue.ts'

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('what is wrong with a text that is no JSON', () => {
  it.each([
    ['', 'line 1, column 1 a value is expected, but the text ends'],
    ['{"a":}', 'line 1, column 6 a value is expected, but "}" stands there'],
    ['{"a": 1,\n "b": 2,\n}', 'line 3, column 1 a name in double quotes is expected, but "}" stands there'],
    ["{'a': 1}", 'line 1, column 2 a name in double quotes or "}" is expected, but "\'" stands there'],
    ['{a: 1}', 'line 1, column 2 a name in double quotes or "}" is expected, but "a" stands there'],
    ['{"a" 1}', 'line 1, column 6 ":" is expected, but "1" stands there'],
    ['{"a": [1 2]}', 'line 1, column 10 "," or "]" is expected, but "2" stands there'],
    ['{"a": 1]', 'line 1, column 8 "," or "}" is expected, but "]" stands there'],
    ['{\n  "jobType": "DUMMY"\n  "name": "x"\n}', 'line 3, column 3 "," or "}" is expected, but "\\"" stands there'],
    ['{"a": True}', 'line 1, column 7 a value is expected, but "T" stands there'],
    ['{"a": 01}', 'line 1, column 7 a value is expected, but "0" stands there'],
    ['{"a": "x\n"}', 'line 1, column 9 an escape such as "\\n" or "\\u000a" is expected, but "\\n" stands there'],
    ['{"a": "x', 'line 1, column 9 the closing double quote is expected, but the text ends'],
    ['{} {}', 'line 1, column 4 the end is expected, but "{" stands there'],
    ['é', 'line 1, column 1 a value is expected, but "é" stands there'],
  ])('names line and column: %j', (text, words) => {
    expect(describeJsonIssue(text)).toBe(`is not JSON: at ${words}`)
  })

  it('is found where there is something wrong, and nowhere else', () => {
    const bits = fc.constantFrom(...'{}[],:"\\ \n0123.-+eEtruefalsn'.split(''), '"a"', 'true', 'null', '1', '"b":')
    const nearly = fc.tuple(fc.json(), fc.nat(), bits).map(([text, at, bit]) => {
      const place = at % (text.length + 1)
      return text.slice(0, place) + bit + text.slice(place + 1)
    })
    const texts = fc.oneof(
      fc.json(),
      nearly,
      fc.array(bits, { maxLength: 12 }).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const issue = findJsonIssue(text)
        expect(issue === null).toBe(isJson(text))
        // V8 names a place for most issues: at ours, or further on inside the same number or escape.
        const place = /at position (\d+)/.exec(messageOf(text))?.[1]
        if (issue !== null && place !== undefined) expect(issue.at).toBeLessThanOrEqual(Number(place))
      }),
      { numRuns: 3000 },
    )
  })

  it('stays short and quick for a text that is deep, or long', () => {
    for (const text of ['['.repeat(4_000_000), `"${'x'.repeat(4_000_000)}`, `${'1'.repeat(4_000_000)}x`]) {
      expect(describeJsonIssue(text).length).toBeLessThan(150)
    }
  })
})

function messageOf(text: string): string {
  try {
    JSON.parse(text)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}
