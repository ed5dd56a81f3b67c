import { randomUUID } from 'node:crypto'
import type { ApiKeyView, LoginReply, ManagedUser } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { type Caller, createCaller, signUp } from '../../proof/caller.ts'
import { useBelfry } from './belfry.ts'

interface Job {
  readonly id: string
}

const password = 'correct horse battery'
const newName = () => `user-${randomUUID().slice(0, 12)}`

describe('who calls', () => {
  const belfry = useBelfry()
  const anonymous = () => createCaller(belfry.url, null)
  const logIn = async (username: string) =>
    (await anonymous().call<LoginReply>('POST', '/auth/login', { username, password })).body
  const idOf = async (user: Caller) => (await user.call<{ id: string }>('GET', '/auth/me')).body.id

  it('calls from a machine with a key, until the key is deleted', async () => {
    const created = await belfry.user.call<ApiKeyView & { key: string }>('POST', '/auth/api-keys', { name: 'backup' })
    expect(created.status).toBe(201)
    const { key, id } = created.body
    const machine = createCaller(belfry.url, key)
    const job = await machine.call<Job>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 1 } })
    expect(job.status).toBe(201)
    expect((await belfry.user.call('GET', `/jobs/${job.body.id}`)).status).toBe(200)
    expect((await machine.call('GET', '/auth/me')).body).toMatchObject({ via: 'api-key', apiKeyId: id })
    const other = await anonymous().call('GET', '/jobs', undefined, { 'x-api-key': key })
    expect(other.status).toBe(200)
    const listed = await belfry.user.call<{ data: ApiKeyView[] }>('GET', '/auth/api-keys')
    const [shown] = listed.body.data.filter((one) => one.id === id)
    expect(shown?.lastUsedAt).not.toBeNull()
    expect(JSON.stringify(listed.body)).not.toContain(key)
    expect((await belfry.user.call('DELETE', `/auth/api-keys/${id}`)).status).toBe(204)
    expect((await (await signUp(belfry.url)).call('DELETE', `/auth/api-keys/${id}`)).status).toBe(404)
  })

  it('reads only, with a key that may only read', async () => {
    const { key } = (await belfry.user.call<{ key: string }>('POST', '/auth/api-keys', { name: 'r', role: 'viewer' }))
      .body
    const reader = createCaller(belfry.url, key)
    expect((await reader.call('GET', '/jobs')).status).toBe(200)
    expect((await reader.call('POST', '/jobs', { jobType: 'DUMMY' })).status).toBe(403)
    expect((await reader.call('POST', '/auth/api-keys', { name: 'more' })).status).toBe(403)
  })

  it('is told apart: no token, a bad one, a bad key', async () => {
    const challenge = async (token: string | null) => {
      const { status, headers } = await createCaller(belfry.url, token).call('GET', '/jobs')
      return [status, headers.get('www-authenticate')]
    }
    expect(await challenge(null)).toEqual([401, 'Bearer realm="belfry"'])
    expect(await challenge('a.b.c')).toEqual([401, 'Bearer realm="belfry", error="invalid_token"'])
    const unknown = `bfk_${'0'.repeat(32)}_${'0'.repeat(43)}`
    expect(await challenge(unknown)).toEqual([
      401,
      expect.stringContaining('error="invalid_token", error_description="'),
    ])
  })

  it('refreshes a login, and logs out', async () => {
    const username = newName()
    await signUp(belfry.url, username)
    const first = await logIn(username)
    const refresh = (refreshToken: string) => anonymous().call<LoginReply>('POST', '/auth/refresh', { refreshToken })
    const second = await refresh(first.refreshToken)
    expect(second.status).toBe(200)
    expect((await refresh(first.refreshToken)).body.refreshToken).toBe(second.body.refreshToken)
    const user = createCaller(belfry.url, second.body.accessToken)
    expect((await user.call('GET', '/auth/me')).status).toBe(200)
    const { refreshToken } = second.body
    expect((await anonymous().call('POST', '/auth/logout', { refreshToken })).status).toBe(204)
    expect((await refresh(refreshToken)).status).toBe(401)
  })

  it('gets another role from an admin, who sees all users and shuts one out', async () => {
    const admin = await belfry.admin()
    const username = newName()
    const user = await signUp(belfry.url, username)
    const id = await idOf(user)
    expect((await user.call('GET', '/auth/users')).status).toBe(403)
    const found = await admin.call<{ data: ManagedUser[] }>('GET', `/auth/users?q=${username}`)
    expect(found.body.data.map((one) => one.id)).toEqual([id])
    const changed = await admin.call('PATCH', `/auth/users/${id}`, { roles: ['viewer'] })
    expect([changed.status, changed.body.roles]).toEqual([200, ['viewer']])
    const viewer = createCaller(belfry.url, (await logIn(username)).token)
    expect((await viewer.call('POST', '/jobs', { jobType: 'DUMMY' })).status).toBe(403)
    expect((await admin.call('PATCH', `/auth/users/${id}`, { disabled: true })).status).toBe(200)
    const refused = await anonymous().call('POST', '/auth/login', { username, password })
    expect(refused.status).toBe(403)
  })

  it('sets a password by an invitation of an admin', async () => {
    const admin = await belfry.admin()
    const username = newName()
    const made = await admin.call<ManagedUser & { invitation: { token: string; path: string } }>(
      'POST',
      '/auth/users',
      {
        username,
        role: 'operator',
      },
    )
    expect(made.status).toBe(201)
    const { token, path } = made.body.invitation
    const page = await anonymous().call<string>('GET', path.split('#')[0] ?? '')
    expect([page.status, page.headers.get('content-security-policy')]).toEqual([
      200,
      expect.stringContaining("script-src 'self'"),
    ])
    expect((await anonymous().call('POST', '/auth/invite', { token, password })).status).toBe(200)
    expect((await anonymous().call('POST', '/auth/invite', { token, password })).status).toBe(404)
    const operator = createCaller(belfry.url, (await logIn(username)).token)
    expect((await operator.call('GET', '/auth/me')).body).toMatchObject({ roles: ['operator'], via: 'login' })
  })

  it('makes a first admin only while there is none', async () => {
    await belfry.admin()
    const body = { token: 'x'.repeat(43), username: newName(), password }
    expect((await anonymous().call('POST', '/auth/bootstrap', body)).status).toBe(403)
    expect((await anonymous().call('POST', '/internal/api-keys/swap', { key: 'x' })).status).toBe(404)
  })
})
