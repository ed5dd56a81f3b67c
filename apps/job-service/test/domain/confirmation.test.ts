import { describe, expect, it } from 'vitest'
import { codeLength, codeOf, isSameCode, whyDropped } from '../../src/domain/confirmation.ts'
import { notificationOf } from '../notification-samples.ts'

const confirmation = { sealedCode: 'sealed', expiresAt: 100 }
const mail = (more: object = {}) => notificationOf({ target: { type: 'email', to: 'you@example.com', ...more } })

describe('the code of an address', () => {
  it('is short enough to copy, and the same in any case', () => {
    const code = codeOf(Uint8Array.from({ length: codeLength }, (_, n) => n * 7))
    expect(code).toMatch(/^[A-HJ-NP-Z2-9]{4}(?:-[A-HJ-NP-Z2-9]{4}){3}$/)
    expect(isSameCode(` ${code.toLowerCase().replaceAll('-', ' ')} `, code)).toBe(true)
    for (const other of ['', code.slice(1), `${code}A`, codeOf(new Uint8Array(codeLength))]) {
      expect(isSameCode(other, code)).toBe(false)
    }
  })
})

describe('a message', () => {
  it.each([
    ['job.failed', mail(), null],
    ['job.failed', mail({ confirmation }), 'The address is not confirmed.'],
    ['notification.test', mail({ confirmation }), 'The address is not confirmed.'],
    ['notification.confirm', mail({ confirmation }), null],
    ['notification.confirm', { ...mail({ confirmation }), enabled: false }, null],
    ['notification.confirm', mail(), 'The address is confirmed, or is no longer the target.'],
    ['notification.confirm', notificationOf(), 'The address is confirmed, or is no longer the target.'],
    ['job.failed', { ...notificationOf(), enabled: false }, 'The notification is disabled.'],
    ['notification.test', { ...notificationOf(), enabled: false }, null],
    ['job.failed', undefined, 'The notification was deleted.'],
  ])('of the type %s is sent only where it may be', (type, notification, why) => {
    expect(whyDropped(notification, type, 99)).toBe(why)
  })

  it('with a code is not sent once the code has expired', () => {
    expect(whyDropped(mail({ confirmation }), 'notification.confirm', 100)).toBe('The code has expired.')
  })
})
