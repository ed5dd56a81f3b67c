import { createSeededIds } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createIdentity } from '../../src/membership/identity.ts'

describe('the identity of an executor', () => {
  it('takes a new name only once that is enlisted', async () => {
    const identity = createIdentity(createSeededIds(1))
    const first = identity.name
    await expect(identity.renew(() => Promise.reject(new Error('the store is away')))).rejects.toThrow('away')
    expect(identity.name).toBe(first)
    const enlisted: string[] = []
    await identity.renew(async (name) => {
      expect(identity.name).toBe(first)
      enlisted.push(name)
    })
    expect(enlisted).toEqual([identity.name])
    expect(identity.name).not.toBe(first)
  })
})
