import { type Refusal, refusal, type Warning } from '@belfry/contracts'

/** Characters that a password needs (NIST SP 800-63B, section 3.1.1). */
const shortestPassword = 8

const detail = `A password of fewer than ${shortestPassword} characters is easy to guess.`

/**
 * Whether a new password is taken: short ones pass with a warning where Belfry runs for one machine (the seeds sign up
 * with `12345`), and are refused (422) where it is open to a network.
 */
export function judgePassword(password: string, mode: 'standalone' | 'distributed'): readonly Warning[] | Refusal {
  const length = [...password.normalize('NFKC')].length
  if (length >= shortestPassword) return []
  if (mode === 'standalone') return [{ code: 'short-password', detail }]
  const fault = { pointer: '/password', code: 'too-short', detail: `must have at least ${shortestPassword} characters` }
  return refusal('impossible', detail, { errors: [fault] })
}
