import type { JobType } from '@belfry/contracts'
import type { Instance } from '@belfry/discovery'
import { createLog, createManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createJobTypeList } from '../../src/clients/job-types.ts'
import { typeList } from '../job-types.ts'

const [dummy] = typeList
const typed = (type: string, more: Partial<JobType> = {}): JobType => ({ ...dummy!, ...more, type })

/** Executors that a test can take away, with their job types. */
function openList() {
  const clock = createManualClock(0)
  const executors = new Map<string, JobType[] | Error>()
  const registered = new Set<string>()
  const instanceOf = (id: string): Instance => ({ service: 'executor-service', id, host: '127.0.0.1', port: 1 })
  const list = createJobTypeList({
    executors: {
      async jobTypes(id) {
        const found = executors.get(id)
        if (found === undefined || found instanceof Error) throw found ?? new Error('unknown')
        return found
      },
    },
    registry: { instances: () => [...registered].map(instanceOf) },
    ...{ clock, log: createLog({ level: 'silent' }), againMs: 1000, keepMs: 60_000 },
  })
  return {
    clock,
    list,
    set(id: string, types: JobType[] | Error) {
      executors.set(id, types)
      registered.add(id)
    },
    leave: (id: string) => void registered.delete(id),
    names: async () => [...((await list.knowing('NONE')) ?? new Map()).keys()].sort(),
  }
}

describe('the job types of several executors', () => {
  it('are those that any of them has', async () => {
    const { list, set, names } = openList()
    set('one', [typed('A'), typed('B')])
    set('two', [typed('B'), typed('C')])
    await list.renew()
    expect(await names()).toEqual(['A', 'B', 'C'])
  })

  it('stay for a time when one leaves, and while one does not answer', async () => {
    const { clock, list, set, leave, names } = openList()
    set('one', [typed('A')])
    set('two', [typed('B')])
    await list.renew()
    leave('two')
    set('one', new Error('no answer'))
    set('three', [typed('C')])
    await list.renew()
    expect(await names()).toEqual(['A', 'B', 'C'])
    await clock.advance(61_000)
    await list.renew()
    expect(await names()).toEqual(['A', 'C'])
  })

  it('come from a registered executor first where two differ', async () => {
    const { list, set, leave } = openList()
    set('old', [typed('A', { timeoutMs: 1000 })])
    await list.renew()
    leave('old')
    set('new', [typed('A', { timeoutMs: 2000 })])
    await list.renew()
    expect((await list.knowing('A'))?.get('A')?.timeoutMs).toBe(2000)
  })

  it('are asked for again for a type that is not among them, once a second', async () => {
    const { clock, list, set } = openList()
    set('one', [typed('A')])
    await list.renew()
    set('one', [typed('A'), typed('NEW')])
    expect((await list.knowing('NEW'))?.has('NEW')).toBe(false)
    await clock.advance(1000)
    expect((await list.knowing('NEW'))?.has('NEW')).toBe(true)
  })

  it('are not known before an executor has answered', async () => {
    const { list } = openList()
    await expect(list.renew()).rejects.toThrow('no executor is registered')
    expect(await list.knowing('A')).toBeNull()
  })

  it('are fetched again when a read checks what is lacking, so that a later read shows a type that has gone or come back', async () => {
    const { clock, list, set } = openList()
    set('one', [typed('A'), typed('B')])
    await list.renew()
    set('one', [typed('A')])
    expect(list.lacks('B')).toBe(false)
    await clock.advance(1000)
    expect(list.lacks('B')).toBe(false)
    await clock.advance(0)
    expect(list.lacks('B')).toBe(true)
    set('one', [typed('A'), typed('B')])
    await clock.advance(1000)
    list.lacks('B')
    await clock.advance(0)
    expect(list.lacks('B')).toBe(false)
  })
})
