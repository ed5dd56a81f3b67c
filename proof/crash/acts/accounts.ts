import type { Script } from '../script.ts'
import { type Act, must, type World } from './act.ts'

interface Login {
  readonly token: string
  readonly refreshToken: string
  readonly user: { readonly id: string }
}

const first = 'correct horse battery'
const second = 'staple battery horse'

const logIn = (script: Script, username: string, password: string, ok = [200]) =>
  script.call<Login>({ as: null, method: 'POST', path: '/auth/login', body: { username, password }, ok })

const refresh = (script: Script, refreshToken: string, ok = [200]) =>
  script.call<Login>({ as: null, method: 'POST', path: '/auth/refresh', body: { refreshToken }, ok })

/** An API key: it works once it was answered, and no more once its deletion was. */
async function useKey(script: Script, token: string): Promise<void> {
  const body = { name: `key ${script.id}` }
  const made = await script.call<{ id: string; key: string }>({
    as: token,
    method: 'POST',
    path: '/auth/api-keys',
    body,
  })
  const { id, key } = made.body
  await script.call({
    as: null,
    method: 'POST',
    path: '/jobs',
    body: { jobType: 'DUMMY' },
    headers: { 'x-api-key': key },
  })
  await script.call({ as: token, method: 'DELETE', path: `/auth/api-keys/${id}`, ok: [204, 404] })
  const { data } = await script.read<{ data: { id: string }[] }>(token, '/auth/api-keys')
  must(!data.some((one) => one.id === id), 'a deleted API key is still there')
}

/** A sign-up, logins, a refresh, an API key, a new password, a logout and new roles. */
const accounts: Act = async (script, { admin }: World) => {
  const username = `crash-${script.id}`
  // Repeated, the sign-up finds that the name is taken.
  await script.call({
    as: null,
    method: 'POST',
    path: '/auth/signup',
    body: { username, password: first },
    ok: [201, 409],
  })
  await logIn(script, username, 'a wrong password', [401])
  const login = (await logIn(script, username, first)).body
  const next = (await refresh(script, login.refreshToken)).body
  await useKey(script, next.token)
  const me = await script.read<{ id: string }>(next.token, '/auth/me')

  const change = { as: next.token, method: 'POST', path: '/auth/password', body: { current: first, next: second } }
  await script.call({ ...change, ok: [200, 401, 422] })
  await logIn(script, username, first, [401])
  const changed = (await logIn(script, username, second)).body
  await refresh(script, next.refreshToken, [401])
  await script.call({ as: null, method: 'POST', path: '/auth/logout', body: { refreshToken: changed.refreshToken } })
  await refresh(script, changed.refreshToken, [401])

  for (const role of ['operator', 'admin', 'user']) {
    const path = `/auth/users/${me.id}`
    await script.call({ as: admin, method: 'PATCH', path, body: { roles: [role] } })
    // Once the next change was tried it may be there already.
    if (script.wasTried()) continue
    const { roles } = await script.read<{ roles: string[] }>(admin, path)
    must(roles.includes(role), `the user is ${roles.join()} and was made ${role}`)
  }
}

/** A new signing key: those before it verify on. */
const signingKeys: Act = async (script, { admin, user }) => {
  const { body } = await script.call<{ kid?: string }>({
    as: admin,
    method: 'POST',
    path: '/auth/signing-keys/rotate',
    ok: [200, 201, 409],
  })
  const { keys } = await script.read<{ keys: { kid: string }[] }>(user, '/auth/.well-known/jwks.json')
  must(body.kid === undefined || keys.some(({ kid }) => kid === body.kid), 'the new signing key is not published')
  must(keys.length > 1, 'no new signing key is published')
  await script.read(user, '/auth/me')
}

interface Verified {
  readonly status: 'broken' | 'unfinished' | 'intact'
  readonly next: string | null
}

/** The seals of all audit logs hold. */
export async function mustBeIntact(script: Script, { admin }: World): Promise<void> {
  for (let cursor = ''; ; ) {
    const { status, next } = await script.read<Verified>(admin, `/audit/verify${cursor}`)
    must(status !== 'broken', 'the audit log is broken')
    if (next === null) return
    cursor = `?cursor=${encodeURIComponent(next)}`
  }
}

export const accountActs = { accounts, signingKeys } as const satisfies Record<string, Act>
