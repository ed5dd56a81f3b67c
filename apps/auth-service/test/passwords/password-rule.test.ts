import { isRefusal } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { judgePassword } from '../../src/passwords/password-rule.ts'

describe('a new password', () => {
  it.each([
    ['12345', 'loopback', 'warned'],
    ['12345678901', 'loopback', 'warned'],
    ['123456789012', 'loopback', 'taken'],
    ['12345', 'the network', 'refused'],
    ['12345678901', 'the network', 'refused'],
    ['123456789012', 'the network', 'taken'],
    ['🔔🔔🔔🔔🔔🔔🔔🔔🔔🔔🔔', 'the network', 'refused'],
    ['🔔🔔🔔🔔🔔🔔🔔🔔🔔🔔🔔🔔', 'the network', 'taken'],
  ] as const)('%s on %s is %s', (password, where, expected) => {
    const judged = judgePassword(password, where === 'loopback')
    const outcome = isRefusal(judged) ? 'refused' : judged.length > 0 ? 'warned' : 'taken'
    expect(outcome).toBe(expected)
  })
})
