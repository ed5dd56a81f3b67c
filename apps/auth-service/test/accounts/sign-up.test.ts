import { userView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import type { AuthConfig } from '../../src/index.ts'
import { openWorld as open, problemOf } from '../world.ts'

describe('sign-up', () => {
  it('takes the seed user with a warning, and leads to /auth/me', async () => {
    const { signup } = await open()
    const answer = await signup('shreyash', '12345')
    expect([answer.statusCode, answer.headers.location]).toEqual([201, '/auth/me'])
    const view = userView.parse(answer.json())
    expect(view).toMatchObject({ username: 'shreyash', roles: ['user'], warnings: [{ code: 'short-password' }] })
    expect(view.id).toMatch(/^usr-[0-9a-f-]{36}$/)
  })

  it('finds the first user of all, also after a restart', async () => {
    const { signup, firstUser, db, clock } = await open()
    const found: string[] = []
    void firstUser().then((id) => found.push(id))
    await signup('shreyash', 'x')
    const { id } = (await signup('ada')).json()
    await expect.poll(() => found).toHaveLength(1)
    expect(found[0]).not.toBe(id)
    const again = await open({}, { db, clock })
    expect(await again.firstUser()).toBe(found[0])
  })

  it('says nothing about a good password', async () => {
    const { signup } = await open()
    expect((await signup('ada')).json().warnings).toEqual([])
  })

  it('refuses a short password where Belfry is open to a network, and stores nothing', async () => {
    for (const config of [{ mode: 'distributed' }, { host: '0.0.0.0' }, { host: '192.168.1.4' }, { authHost: '::' }]) {
      const { signup, login } = await open({ ...config, authPort: 0 } as Partial<AuthConfig>)
      const answer = await signup('shreyash', '12345678901')
      expect([answer.statusCode, problemOf(answer).errors?.[0]?.pointer]).toEqual([422, '/password'])
      expect((await login('shreyash', '12345678901')).statusCode).toBe(401)
      expect((await signup('shreyash', '123456789012')).statusCode).toBe(201)
    }
  })

  it('with a short password opens no account once the network reaches Belfry', async () => {
    const first = await open()
    await first.signup('shreyash', '12345')
    await first.signup('ada')
    await first.stop()
    const second = await open({ host: '0.0.0.0' }, { db: first.db })
    expect(
      second.lines.filter((line) => line.includes('short password')).map((line) => JSON.parse(line).users),
    ).toEqual([1])
    const refused = await second.login('shreyash', '12345')
    expect([refused.statusCode, problemOf(refused).code]).toEqual([403, 'forbidden'])
    // The answer to a wrong password reveals nothing about the length of the right one.
    expect((await second.login('shreyash', '12346')).statusCode).toBe(401)
    expect((await second.login('ada')).statusCode).toBe(200)
    await second.stop()
    const third = await open({}, { db: first.db })
    expect((await third.login('shreyash', '12345')).statusCode).toBe(200)
    expect(third.lines.join()).not.toContain('short password')
  })

  it('by many at once delays no login and leaves room for other addresses', async () => {
    const { signup, login } = await open({ authHashMemoryKib: 19_456, authHashPasses: 2 })
    for (const name of ['ada', 'grace', 'mary']) await signup(name)
    const order: string[] = []
    const note = async (what: string, answer: ReturnType<typeof signup>) => {
      const { statusCode } = await answer
      if (statusCode < 300) order.push(what)
      return statusCode
    }
    const flood = Array.from({ length: 80 }, (_, n) => note('flood', signup(`flood-${n}`, undefined, '10.0.0.9')))
    const other = note('other', signup('other', undefined, '10.0.0.2'))
    const logins = ['ada', 'grace', 'mary'].map((name) => note('login', login(name)))
    expect(await Promise.all(logins)).toEqual([200, 200, 200])
    expect(await other).toBe(201)
    // Ten of the flood wait, and one more is taken if it begins before the logins; the others are refused at once.
    const statuses = await Promise.all(flood)
    const made = statuses.filter((status) => status === 201).length
    expect([10, 11]).toContain(made)
    expect(statuses.filter((status) => status === 503)).toHaveLength(80 - made)
    expect(order.indexOf('other')).toBeLessThanOrEqual(5)
    expect(order.lastIndexOf('login')).toBeLessThanOrEqual(5)
  })

  it('gives a name to one user only, whatever its case, also when many ask at once', async () => {
    const { signup } = await open()
    const names = ['ada', 'Ada', 'ADA', 'aDa', 'adA']
    const answers = await Promise.all(names.map((name) => signup(name)))
    expect(answers.map((one) => one.statusCode).sort()).toEqual([201, 409, 409, 409, 409])
    const refused = await signup('ADA')
    expect(problemOf(refused)).toMatchObject({ code: 'conflict', errors: [{ pointer: '/username', code: 'taken' }] })
  })

  it.each([
    [{}, ['/password', '/username']],
    [{ username: 'a', password: '' }, ['/password', '/username']],
    [{ username: 'a b', password: 'x' }, ['/username']],
    [{ username: { $ne: null }, password: 'x' }, ['/username']],
    [{ username: 'ada', password: 'x'.repeat(257) }, ['/password']],
    [{ username: 'ada', password: 5 }, ['/password']],
    [{ username: 'ada', password: 'x', roles: ['admin'] }, ['/roles']],
    [{ username: 'ada', pasword: 'x' }, ['/password', '/pasword']],
    [[], ['']],
  ])('refuses %j, naming each issue', async (body, pointers) => {
    const { app } = await open()
    const answer = await app.inject({ method: 'POST', url: '/auth/signup', payload: body })
    expect(answer.statusCode).toBe(400)
    const named = problemOf(answer).errors?.map((one) => one.pointer)
    expect(named?.sort()).toEqual(pointers)
  })
})
