import type { IncomingMessage } from 'node:http'
import type { AuditNote } from '@belfry/audit'
import type { LoginReply, Role } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import type { User } from '../accounts/user.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Refreshable } from '../sessions/sessions.ts'

/** The client's address, by the gateway's header. The gateway drops what a client sends under this name. */
export function addressOf({ headers, socket }: IncomingMessage): string {
  return headers['x-forwarded-for']?.toString() ?? socket.remoteAddress ?? ''
}

/** What the audit says of a request without a token, once its user is known. */
export function noteOf({ id, username }: User): AuditNote {
  return { actor: { id, name: username }, target: id }
}

/** Makes the answer to a login or a refresh. */
export type LoginReplies = (session: Refreshable, role: Role) => Promise<LoginReply>

export function createLoginReplies(keys: KeyRing, clock: Pick<Clock, 'now'>, tokenLifetimeMs: number): LoginReplies {
  return async ({ user, refreshToken, expiresInMs }, role) => {
    const signer = await keys.signer()
    const token = signer.sign({ user, role }, clock.now(), tokenLifetimeMs)
    const expiresIn = Math.floor(tokenLifetimeMs / 1000)
    const refresh = { refreshToken, refreshExpiresIn: Math.floor(expiresInMs / 1000) }
    return { token, accessToken: token, tokenType: 'Bearer', expiresIn, ...refresh }
  }
}
