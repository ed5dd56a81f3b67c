import { fatal, JobFailure, retryAfter } from '@belfry/worker'
import { describe, expect, it } from 'vitest'
import { cutText, maxErrorBytes, maxResultBytes, readResult, readThrown } from '../../src/executions/outcome.ts'

describe('what a handler resolves to', () => {
  it('becomes JSON and nothing else', () => {
    const at = new Date(0)
    expect(readResult({ at, left: undefined, nested: [at] })).toEqual({
      kind: 'succeeded',
      result: { at: '1970-01-01T00:00:00.000Z', nested: ['1970-01-01T00:00:00.000Z'] },
    })
  })

  it.each([undefined, null, () => 1, Symbol('x')])('is null when it says nothing (%s)', (value) => {
    expect(readResult(value)).toEqual({ kind: 'succeeded', result: null })
  })

  it.each(['text', 7, false])('may be a plain value (%s)', (value) => {
    expect(readResult(value)).toEqual({ kind: 'succeeded', result: value })
  })

  it('fails for good when it is no JSON', () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    const thrower = {
      toJSON() {
        throw new Error('no')
      },
    }
    for (const value of [circle, 1n, thrower]) {
      expect(readResult(value)).toMatchObject({ kind: 'failed', retry: 'never', error: { code: 'result-not-json' } })
    }
  })

  it('may have 64 KiB and not one byte more, counted in UTF-8', () => {
    expect(readResult('x'.repeat(maxResultBytes - 2)).kind).toBe('succeeded')
    expect(readResult('x'.repeat(maxResultBytes - 1))).toMatchObject({
      error: { code: 'result-too-large' },
      retry: 'never',
    })
    expect(readResult('€'.repeat(maxResultBytes / 3))).toMatchObject({ error: { code: 'result-too-large' } })
  })
})

describe('what a handler throws', () => {
  const unreadable = new Proxy(new Error('x'), {
    get() {
      throw new Error('no')
    },
    getPrototypeOf() {
      throw new Error('no')
    },
  })
  const nameless = Object.create(null) as object

  it.each([
    ['undefined', undefined, 'undefined'],
    ['a text', 'ouch', 'ouch'],
    ['an error', new TypeError('ouch'), 'ouch'],
    ['an error without words', new TypeError(''), 'TypeError'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['an object that cannot be read', unreadable, 'The handler threw something that cannot be read.'],
    ['an object without a prototype', nameless, 'The handler threw something that cannot be read.'],
  ])('is a failure by the policy: %s', (_, thrown, message) => {
    const outcome = readThrown(thrown)
    expect(outcome).toEqual({
      kind: 'failed',
      error: { code: 'handler-error', message },
      retry: 'policy',
      timedOut: false,
    })
  })

  it('says by itself how to go on when it is a JobFailure', () => {
    expect(readThrown(fatal('gone', 'x'))).toMatchObject({ error: { code: 'gone', message: 'x' }, retry: 'never' })
    expect(readThrown(retryAfter(5, 'busy', 'x'))).toMatchObject({ error: { code: 'busy' }, retry: { afterMs: 5 } })
    expect(readThrown(new JobFailure('odd', 'x', { afterMs: Number.NaN }))).toMatchObject({ retry: 'policy' })
  })

  it('is cut to 8 KiB', () => {
    const { message } = readThrown(new Error('é'.repeat(maxErrorBytes))).error
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(maxErrorBytes)
    expect(message.endsWith('… (truncated)')).toBe(true)
  })

  it('is never cut inside a character', () => {
    for (let bytes = 20; bytes < 32; bytes++) {
      const cut = cutText('€𝄞'.repeat(20), bytes)
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytes)
      expect(cut).not.toContain('\uFFFD')
    }
  })
})
