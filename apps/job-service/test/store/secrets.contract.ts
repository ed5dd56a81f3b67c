import type { RowId } from '@belfry/storage'
import { expect, it } from 'vitest'
import type { Secret } from '../../src/domain/secret.ts'
import type { Stores } from '../../src/store/ports.ts'

/** What `SecretStore` promises. */
export function describeSecrets(stores: () => Stores, newOwner: () => string): void {
  const secretOf = (ownerId: string, name: string, at = 1): Secret => ({
    ...{ ownerId, name, sealed: `sealed ${name} ${at}`, createdAt: at, updatedAt: at },
  })

  it('is new once, and keeps the time of its first value', async () => {
    const owner = newOwner()
    const { secrets } = stores()
    expect(await secrets.put(secretOf(owner, 'KEY', 1), 10)).toEqual({ secret: secretOf(owner, 'KEY', 1), isNew: true })
    const changed = { ...secretOf(owner, 'KEY', 2), createdAt: 1 }
    expect(await secrets.put(secretOf(owner, 'KEY', 2), 10)).toEqual({ secret: changed, isNew: false })
    expect(await secrets.readMany(owner, ['KEY', 'OTHER'])).toEqual([changed])
  })

  it('is one of so many of its owner; a new value of one that is there always has room', async () => {
    const owner = newOwner()
    const { secrets } = stores()
    for (const name of ['A', 'B']) await secrets.put(secretOf(owner, name), 2)
    expect(await secrets.put(secretOf(owner, 'C'), 2)).toBe('too-many')
    expect(await secrets.put(secretOf(owner, 'B', 3), 2)).toMatchObject({ isNew: false })
    expect(await secrets.put(secretOf(newOwner(), 'C'), 2)).toMatchObject({ isNew: true })
  })

  it('is listed by name, page by page, for its owner alone', async () => {
    const [owner, other] = [newOwner(), newOwner()]
    const { secrets } = stores()
    for (const name of ['b', 'a', 'C']) await secrets.put(secretOf(owner, name), 10)
    await secrets.put(secretOf(other, 'x'), 10)
    const namesOf = async (after: string | null, limit: number) =>
      (await secrets.list(owner, { after, limit })).map(({ name }) => name)
    expect(await namesOf(null, 2)).toEqual(['C', 'a'])
    expect(await namesOf('a', 2)).toEqual(['b'])
    expect(await secrets.readMany(other, ['a', 'b'])).toEqual([])
  })

  it('is found among those of all owners once, page by page, and is sealed anew while it is as it was read', async () => {
    const [owner, other] = [newOwner(), newOwner()]
    const { secrets } = stores()
    for (const [ownerId, name] of [
      [owner, 'A'],
      [other, 'A'],
      [owner, 'B'],
    ] as const)
      await secrets.put(secretOf(ownerId, name), 10)
    const seen: Secret[] = []
    for (let after: RowId | null = null; ; ) {
      const { rows, next }: Awaited<ReturnType<typeof secrets.listAll>> = await secrets.listAll(after, 2)
      seen.push(...rows)
      if (next === null) break
      after = next
    }
    const own = seen.filter(({ ownerId }) => ownerId === owner || ownerId === other)
    expect(own.map(({ ownerId, name }) => `${ownerId} ${name}`).toSorted()).toEqual(
      [`${owner} A`, `${owner} B`, `${other} A`].toSorted(),
    )
    const before = secretOf(owner, 'A')
    expect(await secrets.reseal(before, 'anew')).toBe(true)
    expect(await secrets.reseal(before, 'late')).toBe(false)
    expect(await secrets.reseal(secretOf(owner, 'NONE'), 'none')).toBe(false)
    expect(await secrets.readMany(owner, ['A'])).toEqual([{ ...before, sealed: 'anew' }])
  })

  it('is removed once', async () => {
    const owner = newOwner()
    const { secrets } = stores()
    await secrets.put(secretOf(owner, 'KEY'), 10)
    expect(await secrets.remove(newOwner(), 'KEY')).toBeUndefined()
    expect(await secrets.remove(owner, 'KEY')).toEqual(secretOf(owner, 'KEY'))
    expect(await secrets.remove(owner, 'KEY')).toBeUndefined()
    expect(await secrets.list(owner, { after: null, limit: 10 })).toEqual([])
  })
}
