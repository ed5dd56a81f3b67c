import { resolvedUsers, resolveUsersBody, swapKeyBody, swapKeyReply } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { Clock } from '@belfry/service'
import { type Admins, userStateIn } from '../accounts/admins.ts'
import { foldUsername } from '../accounts/user.ts'
import type { ApiKeys } from '../api-keys/api-keys.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { UserStore } from '../store/ports.ts'

export interface InternalRoutesDeps {
  users: UserStore
  admins: Admins
  apiKeys: ApiKeys
  keys: KeyRing
  clock: Pick<Clock, 'now'>
  /** How long the token is good that stands for an API key, milliseconds. */
  keyTokenMs: number
}

const config = { access: 'service' } as const
const resolve = { body: resolveUsersBody, response: { 200: resolvedUsers } }
const swap = { body: swapKeyBody, response: { 200: swapKeyReply } }

/** Routes for the other services: who a name is, and what an API key may do. */
export function mountInternal(app: HttpApp, deps: InternalRoutesDeps): void {
  const { users, admins, apiKeys, keys, clock, keyTokenMs } = deps

  app.post('/internal/users/resolve', { schema: resolve, config }, async (request) => {
    const { ids, usernames } = request.body
    const [found, list] = await Promise.all([users.findMany(ids, usernames.map(foldUsername)), admins.read()])
    const view = (user: (typeof found)[number]) => {
      const { isDisabled: disabled } = userStateIn(list, user)
      return { id: user.id, username: user.username, disabled }
    }
    return { data: found.map(view) }
  })

  app.post('/internal/api-keys/swap', { schema: swap, config }, async (request) => {
    const opened = await apiKeys.open(request.body.key)
    if (!opened) return { token: null }
    const signer = await keys.signer()
    return { token: signer.sign(opened, clock.now(), keyTokenMs) }
  })
}
