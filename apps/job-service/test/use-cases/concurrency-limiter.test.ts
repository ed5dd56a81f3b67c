import { describe, expect, it } from 'vitest'
import { createConcurrencyLimiter } from '../../src/use-cases/concurrency-limiter.ts'

/** Tasks that end when the test says so. */
function openTasks() {
  const started: string[] = []
  const ends = new Map<string, (error?: Error) => void>()
  const task = (name: string) => () => {
    started.push(name)
    return new Promise<string>((resolve, reject) => {
      ends.set(name, (error) => (error ? reject(error) : resolve(name)))
    })
  }
  const end = async (name: string, error?: Error) => {
    ends.get(name)?.(error)
    await new Promise(setImmediate)
  }
  return { started, task, end }
}

describe('the concurrency limiter', () => {
  it('runs a few tasks of each key, lets a few wait in their order, and refuses the rest', async () => {
    const { started, task, end } = openTasks()
    const limiter = createConcurrencyLimiter({ running: 2, waiting: 2 })
    const first = ['a', 'b', 'c', 'd', 'e'].map((name) => limiter.run('one', task(name)))
    const other = limiter.run('two', task('z'))
    expect(await first[4]).toBeNull()
    expect(started).toEqual(['a', 'b', 'z'])
    await end('b')
    expect(started).toEqual(['a', 'b', 'z', 'c'])
    const late = limiter.run('one', task('f'))
    await end('a')
    expect(started).toEqual(['a', 'b', 'z', 'c', 'd'])
    for (const name of ['c', 'd', 'f', 'z']) await end(name)
    expect(await Promise.all([...first, late, other])).toEqual(['a', 'b', 'c', 'd', null, 'f', 'z'])
  })

  it('goes on after a task that failed', async () => {
    const { started, task, end } = openTasks()
    const limiter = createConcurrencyLimiter({ running: 1, waiting: 1 })
    const failing = limiter.run('one', task('a')).catch((error: Error) => error.message)
    const next = limiter.run('one', task('b'))
    await end('a', new Error('broken'))
    expect(started).toEqual(['a', 'b'])
    await end('b')
    expect([await failing, await next]).toEqual(['broken', 'b'])
  })
})
