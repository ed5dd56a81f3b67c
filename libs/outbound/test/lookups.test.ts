import { describe, expect, it } from 'vitest'
import { createLookups, type LookupLimits, type Resolved } from '../src/lookups.ts'

const loopback: Resolved[] = [{ address: '127.0.0.1', family: 4 }]

/** A resolver that answers a name when the test says so. */
function openResolver() {
  const asked: string[] = []
  const open = new Map<string, PromiseWithResolvers<Resolved[]>>()
  return {
    asked,
    resolve(hostname: string) {
      asked.push(hostname)
      const answer = Promise.withResolvers<Resolved[]>()
      open.set(hostname, answer)
      return answer.promise
    },
    async answer(...hostnames: string[]) {
      for (const hostname of hostnames) {
        open.get(hostname)?.resolve(loopback)
        open.delete(hostname)
      }
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

describe('name lookups', () => {
  function openLookups(limits: Partial<LookupLimits> = {}) {
    const resolver = openResolver()
    const lookup = createLookups(resolver.resolve, { total: 4, ofOwner: 2, waiting: 100, ...limits })
    const answered: string[] = []
    const find = (owner: string, ...hostnames: string[]) => {
      for (const hostname of hostnames) {
        lookup(owner, hostname).then(
          () => answered.push(`${owner} ${hostname}`),
          (error) => answered.push(`${owner} ${hostname} ${error.code}`),
        )
      }
    }
    return { ...resolver, find, answered }
  }

  it('of one owner are so many at a time, and never all', async () => {
    const { find, asked, answer } = openLookups()
    find('a', 'a1', 'a2', 'a3', 'a4')
    find('b', 'b1')
    expect(asked).toEqual(['a1', 'a2', 'b1'])
    await answer('a2')
    expect(asked).toEqual(['a1', 'a2', 'b1', 'a3'])
  })

  it('of many owners come round robin', async () => {
    const { find, asked, answer } = openLookups({ total: 2, ofOwner: 1 })
    find('a', 'a1', 'a2', 'a3')
    find('b', 'b1', 'b2')
    find('c', 'c1')
    for (const name of ['a1', 'b1', 'a2', 'b2', 'c1', 'a3']) await answer(name)
    expect(asked).toEqual(['a1', 'b1', 'a2', 'b2', 'c1', 'a3'])
  })

  it('of the same name at the same moment are one, for all owners', async () => {
    const { find, asked, answer, answered } = openLookups()
    find('a', 'shop', 'shop')
    find('b', 'shop')
    await answer('shop')
    expect(asked).toEqual(['shop'])
    expect(answered.toSorted()).toEqual(['a shop', 'a shop', 'b shop'])
    find('b', 'shop')
    expect(asked).toEqual(['shop', 'shop'])
  })

  it('count for the owner that asked first, and take no slot of the others', () => {
    const { find, asked } = openLookups()
    find('a', 'slow1', 'slow2')
    find('b', 'slow1', 'slow2', 'b1', 'b2')
    expect(asked).toEqual(['slow1', 'slow2', 'b1', 'b2'])
  })

  it('of a name that waits for one owner do not wait with it for another', async () => {
    const { find, asked, answer, answered } = openLookups()
    find('a', 'slow1', 'slow2', 'shop')
    find('b', 'shop')
    expect(asked).toEqual(['slow1', 'slow2', 'shop'])
    await answer('slow1')
    await answer('shop')
    expect(asked).toEqual(['slow1', 'slow2', 'shop'])
    expect(answered.toSorted()).toEqual(['a shop', 'a slow1', 'b shop'])
  })

  it('of one owner that wait are bounded: the oldest fails, to be tried again', async () => {
    const { find, answer, answered } = openLookups({ waiting: 2 })
    find('a', 'slow1', 'slow2', 'a1', 'a2', 'a3')
    find('b', 'b1')
    await answer('b1')
    expect(answered.toSorted()).toEqual(['a a1 EAI_AGAIN', 'b b1'])
  })
})
