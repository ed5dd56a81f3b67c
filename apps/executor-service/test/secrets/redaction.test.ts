import { describe, expect, it } from 'vitest'
import { createRedaction } from '../../src/secrets/redaction.ts'

const redact = (secrets: Record<string, string>) => createRedaction(new Map(Object.entries(secrets)))

describe('the redaction of secrets', () => {
  it('replaces a value wherever it stands in a text', () => {
    expect(redact({ KEY: 'k-123' }).text('a k-123, and k-123')).toBe('a [secret:KEY], and [secret:KEY]')
  })

  it('finds a value in JSON, in an address and in Base64', () => {
    const value = 'p&"ss/wörd?'
    const { text } = redact({ KEY: value })
    const forms = [
      JSON.stringify({ value }),
      `https://example.com/?q=${encodeURIComponent(value)}`,
      String(new URLSearchParams({ value })),
      Buffer.from(value).toString('base64'),
      Buffer.from(value).toString('base64url'),
    ]
    for (const form of forms) expect(text(form)).toContain('[secret:KEY]')
  })

  it('finds a value in the Base64 of a longer text, wherever it begins there, and in hexadecimal digits', () => {
    const value = 'pass/wörd-4711'
    const { text } = redact({ KEY: value })
    for (const user of ['a', 'ab', 'abc', 'abcd'])
      for (const encoding of ['base64', 'base64url', 'hex'] as const) {
        const shown = text(`Basic ${Buffer.from(`${user}:${value}, and more`).toString(encoding)}`)
        expect(shown, `${user} ${encoding}`).toContain('[secret:KEY]')
        const [, left = ''] = shown.split('[secret:KEY]').map((part) => Buffer.from(part, encoding).toString('latin1'))
        expect(left).not.toContain('4711')
      }
  })

  it('finds the first part of a value at the end of a text that was cut off', () => {
    const { text } = redact({ KEY: 'pass-word-4711', SHORT: 'abcdef' })
    expect(text('the key is pass-word-47')).toBe('the key is [secret:KEY]')
    expect(text('pass-word pass-wor')).toBe('pass-word [secret:KEY]')
    for (const kept of ['the key is pass-wo', 'pass-word-5', 'abcde']) expect(text(kept)).toBe(kept)
  })

  it('leaves nothing of a value of which another one is a part', () => {
    expect(redact({ SHORT: 'abcd', LONG: 'abcdef' }).text('abcdef abcd')).toBe('[secret:LONG] [secret:SHORT]')
  })

  it('replaces the texts and the names of fields of a value, and leaves the rest as it is', () => {
    const { value } = redact({ KEY: 'k-123' })
    expect(value({ 'k-123': [1, 'k-123', null, { deep: true }] })).toEqual({
      '[secret:KEY]': [1, '[secret:KEY]', null, { deep: true }],
    })
  })

  it('takes a value for a text and for no expression', () => {
    expect(redact({ KEY: '.*$&' }).text('anything, and .*$&')).toBe('anything, and [secret:KEY]')
  })
})
