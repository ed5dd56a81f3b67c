import { type Refusal, refusal, type Warning } from '@belfry/contracts'

/** Characters that a password needs on a network; NIST SP 800-63B-4 asks for 8 beside a second factor and for 15 alone. */
const shortestPassword = 12

const detail = `A password of fewer than ${shortestPassword} characters is easy to guess.`

const tooShort = (pointer: string) =>
  refusal('impossible', `${detail} It is only taken while Belfry listens on this machine alone.`, {
    errors: [{ pointer, code: 'too-short', detail: `must have at least ${shortestPassword} characters` }],
  })

/** Refuses the login of a user whose short password was accepted while only this machine reached Belfry. */
export const shortOnNetwork = refusal(
  'forbidden',
  `${detail} It was taken while only this machine reached Belfry; now the network does, and it no longer opens the account. An admin can invite you to set another one.`,
)

/** Characters as a person counts them, of the text as it is hashed. */
export function isShortPassword(password: string): boolean {
  return [...password.normalize('NFKC')].length < shortestPassword
}

/**
 * The warnings about a new password, or its refusal. A short one passes with a warning where `acceptsShort` (the seeds sign up
 * with `12345`), and is refused (422) where the network reaches Belfry. `pointer` names its field in the body.
 */
export function judgePassword(
  password: string,
  acceptsShort: boolean,
  pointer = '/password',
): readonly Warning[] | Refusal {
  if (!isShortPassword(password)) return []
  return acceptsShort ? [{ code: 'short-password', detail }] : tooShort(pointer)
}
