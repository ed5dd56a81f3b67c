import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ConfigError, configKeys, readConfig, secretKey } from '../src/index.ts'

const schema = z.object({ port: z.coerce.number().default(0), busKey: secretKey(), serviceKey: secretKey() })
const good = 'Zk3vQ0x8y1LwTt6dRrPp2nHh5cJj9sBa'
const folder = mkdtempSync(join(tmpdir(), 'belfry-secret-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function messageOf(env: NodeJS.ProcessEnv): string {
  try {
    readConfig(schema, { BELFRY_SERVICE_KEY: good, ...env })
    return ''
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}

describe('a secret in the configuration', () => {
  it('stands in its variable, or in the file that the variable with _FILE names', () => {
    const env = { BELFRY_BUS_KEY: good, BELFRY_SERVICE_KEY_FILE: file('key', good) }
    expect(readConfig(schema, env)).toEqual({ port: 0, busKey: good, serviceKey: good })
    expect(configKeys(schema)).toEqual([
      'BELFRY_PORT',
      'BELFRY_BUS_KEY',
      'BELFRY_BUS_KEY_FILE',
      'BELFRY_SERVICE_KEY',
      'BELFRY_SERVICE_KEY_FILE',
    ])
  })

  it.each(['\n', '\r\n'])('loses the line break at the end of its file, and nothing else', (lineBreak) => {
    const env = { BELFRY_BUS_KEY_FILE: file('line', ` ${good}\n ${lineBreak}`), BELFRY_SERVICE_KEY: good }
    expect(readConfig(schema, env).busKey).toBe(` ${good}\n `)
  })

  it.each([
    ['a file that is not there', join(folder, 'none'), 'names a file that does not exist'],
    ['a folder', folder, 'names a file that is a folder'],
    ['an empty file', file('empty', ''), 'names a file that is empty'],
    ['a file with a line break only', file('break', '\n'), 'names a file that is empty'],
  ])('is refused in %s, once', (_, path, detail) => {
    const message = messageOf({ BELFRY_BUS_KEY_FILE: path })
    expect(message.split('\n').slice(1)).toEqual([`  BELFRY_BUS_KEY_FILE ${detail}: ${path}`])
  })

  it('is refused when it is set in both ways', () => {
    const message = messageOf({ BELFRY_BUS_KEY: good, BELFRY_BUS_KEY_FILE: file('both', good) })
    expect(message.split('\n').slice(1)).toEqual([
      '  BELFRY_BUS_KEY_FILE is set and BELFRY_BUS_KEY too: set one of them',
    ])
  })

  it('is required', () => {
    expect(messageOf({})).toContain('BELFRY_BUS_KEY is required: a random text of at least 32 bytes')
  })

  it.each([
    ['short', 'Zk3vQ0x8y1LwTt6dRrPp2nHh5cJj9s', 'is shorter than 32 bytes'],
    ['one letter', 'a'.repeat(40), 'is a well-known or repeated text'],
    ['a repeated text', '0123456789abcdef0123456789abcdef', 'is a well-known or repeated text'],
    ['a placeholder', 'CHANGE-ME-please-change-me-at-once-0987', 'is a well-known or repeated text'],
    ['a sentence about a secret', 'this is the Secret of our bus, 2026', 'is a well-known or repeated text'],
    ['a row of the keyboard', 'qwertyuiopasdfghjklzxcvbnm1029384756', 'is a well-known or repeated text'],
  ])('is refused when it is %s, without being shown', (_, value, detail) => {
    const message = messageOf({ BELFRY_BUS_KEY: value })
    expect(message).toContain(`BELFRY_BUS_KEY ${detail}`)
    expect(message).not.toContain(value)
    expect(messageOf({ BELFRY_BUS_KEY_FILE: file('weak', value) })).toContain(`BELFRY_BUS_KEY_FILE ${detail}`)
  })

  it('may be any random text of that length', () => {
    for (let round = 0; round < 200; round++) {
      const bytes = crypto.getRandomValues(Buffer.alloc(32))
      for (const encoding of ['hex', 'base64', 'base64url'] as const) {
        expect(messageOf({ BELFRY_BUS_KEY: bytes.toString(encoding) })).toBe('')
      }
    }
  })
})
