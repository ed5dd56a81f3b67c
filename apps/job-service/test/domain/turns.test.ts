import { describe, expect, it } from 'vitest'
import { createTurns } from '../../src/domain/turns.ts'

/** Work that ends when the test says so. */
function openWork() {
  const started: string[] = []
  const ends = new Map<string, (error?: Error) => void>()
  const work = (name: string) => () => {
    started.push(name)
    return new Promise<string>((resolve, reject) => {
      ends.set(name, (error) => (error ? reject(error) : resolve(name)))
    })
  }
  const end = async (name: string, error?: Error) => {
    ends.get(name)?.(error)
    await new Promise(setImmediate)
  }
  return { started, work, end }
}

describe('turns', () => {
  it('let a few of each key work, a few wait in their order, and refuse the rest', async () => {
    const { started, work, end } = openWork()
    const turns = createTurns({ atWork: 2, waiting: 2 })
    const first = ['a', 'b', 'c', 'd', 'e'].map((name) => turns.run('one', work(name)))
    const other = turns.run('two', work('z'))
    expect(await first[4]).toBeNull()
    expect(started).toEqual(['a', 'b', 'z'])
    await end('b')
    expect(started).toEqual(['a', 'b', 'z', 'c'])
    const late = turns.run('one', work('f'))
    await end('a')
    expect(started).toEqual(['a', 'b', 'z', 'c', 'd'])
    for (const name of ['c', 'd', 'f', 'z']) await end(name)
    expect(await Promise.all([...first, late, other])).toEqual(['a', 'b', 'c', 'd', null, 'f', 'z'])
  })

  it('go on after work that failed', async () => {
    const { started, work, end } = openWork()
    const turns = createTurns({ atWork: 1, waiting: 1 })
    const failing = turns.run('one', work('a')).catch((error: Error) => error.message)
    const next = turns.run('one', work('b'))
    await end('a', new Error('broken'))
    expect(started).toEqual(['a', 'b'])
    await end('b')
    expect([await failing, await next]).toEqual(['broken', 'b'])
  })
})
