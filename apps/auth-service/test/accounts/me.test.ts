import { describe, expect, it } from 'vitest'
import { openWorld as open } from '../world.ts'

describe('/auth/me', () => {
  it('needs a token that is not over', async () => {
    const { app, signup, login, me, clock } = await open()
    await signup('ada')
    const { token } = (await login('ada')).json()
    expect((await app.inject('/auth/me')).statusCode).toBe(401)
    clock.step(900_000 + 29_000)
    expect((await me(token)).statusCode).toBe(200)
    clock.step(1_000)
    expect((await me(token)).statusCode).toBe(401)
  })

  it('answers 401 when the user is gone', async () => {
    const { signup, login, me, db } = await open()
    await signup('ada')
    const { token } = (await login('ada')).json()
    await db.write('test.remove', [{ statement: db.statement('DELETE FROM users'), params: [] }])
    expect((await me(token)).statusCode).toBe(401)
  })
})
