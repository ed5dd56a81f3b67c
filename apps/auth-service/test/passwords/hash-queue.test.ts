import { describe, expect, it } from 'vitest'
import { createHashQueue } from '../../src/passwords/hash-queue.ts'

const limits = { atOnce: 2, logins: 50, signups: 50, signupsPerAddress: 10 }

/** Tasks that the test ends, recorded in the order in which they begin. */
function open(given: Partial<typeof limits> = {}) {
  const queue = createHashQueue({ ...limits, ...given })
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const task = (name: string) => () => {
    begun.push(name)
    return new Promise<string>((resolve) => ends.set(name, () => resolve(name)))
  }
  const end = async (name: string) => {
    ends.get(name)?.()
    await new Promise(setImmediate)
  }
  return {
    queue,
    begun,
    end,
    login: (name: string) => queue.login((hash) => hash(task(name))),
    signup: (address: string, name: string) => queue.signup(address, task(name)),
    flushed: () => new Promise(setImmediate),
  }
}

describe('the hash queue', () => {
  it('leaves a thread to logins, however many sign up', async () => {
    const { signup, login, begun, flushed } = open()
    for (let n = 0; n < 8; n++) void signup('a', `signup ${n}`)
    await flushed()
    expect(begun).toEqual(['signup 0'])
    void login('login')
    await flushed()
    expect(begun).toEqual(['signup 0', 'login'])
  })

  it('lets waiting logins go before waiting sign-ups', async () => {
    const { signup, login, begun, end, flushed } = open({ atOnce: 1 })
    void signup('a', 's1')
    void signup('a', 's2')
    void login('l1')
    void login('l2')
    await flushed()
    for (const name of ['s1', 'l1', 'l2', 's2']) await end(name)
    expect(begun).toEqual(['s1', 'l1', 'l2', 's2'])
  })

  it('serves the addresses that sign up round-robin', async () => {
    const { signup, begun, end, flushed } = open()
    for (const name of ['a1', 'a2', 'a3', 'a4']) void signup('a', name)
    for (const name of ['b1', 'b2']) void signup('b', name)
    void signup('c', 'c1')
    await flushed()
    for (let n = 0; n < 7; n++) await end(begun[n] as string)
    expect(begun).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4'])
  })

  it('refuses what is beyond the bounds, of each kind by itself', async () => {
    const { signup, login, flushed } = open({ atOnce: 1, logins: 1, signups: 3, signupsPerAddress: 2 })
    void login('l1')
    void login('l2')
    await flushed()
    expect(await login('l3')).toBeUndefined()
    void signup('a', 'a1')
    void signup('a', 'a2')
    expect(await signup('a', 'a3')).toBeUndefined()
    void signup('b', 'b1')
    expect(await signup('c', 'c1')).toBeUndefined()
  })

  it('gives no thread to a login that does not hash', async () => {
    const { queue, signup, begun, flushed } = open({ atOnce: 1, logins: 1 })
    for (let n = 0; n < 2; n++) void queue.login(() => new Promise(() => undefined))
    void signup('a', 'signup')
    await flushed()
    expect(begun).toEqual(['signup'])
    expect(await queue.login(async () => 'one more')).toBeUndefined()
  })

  it('goes on after a task that failed', async () => {
    const queue = createHashQueue({ ...limits, atOnce: 1 })
    const failed = queue.signup('a', () => Promise.reject(new Error('no memory')))
    const next = queue.signup('a', async () => 'done')
    await expect(failed).rejects.toThrow('no memory')
    expect(await next).toBe('done')
    expect(await queue.login((hash) => hash(async () => 'done'))).toBe('done')
  })
})
