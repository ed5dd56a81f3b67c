import { randomBytes } from 'node:crypto'
import { createLog } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { keyPurposeOf } from '../../src/domain/notification.ts'
import { createSealer } from '../../src/domain/sealing.ts'
import { purposeOf } from '../../src/domain/secret.ts'
import { createReseal } from '../../src/loops/reseal.ts'
import { notificationOf } from '../notification-samples.ts'
import { createDocumentStores } from '../store/document-stores.ts'

const [older, newer, lost] = ['a', 'b', 'c'].map((letter) => letter.repeat(32)) as [string, string, string]
const sealerOf = (...keys: string[]) => createSealer({ keys, randomBytes })

/** Five secrets and two webhooks of the older key. */
async function open() {
  const stores = createDocumentStores()
  const before = sealerOf(older)
  const put = async (name: string, sealer = before, value = `value of ${name}`) => {
    const about = { ownerId: 'usr-a', name }
    await stores.secrets.put({ ...about, sealed: sealer.seal(value, purposeOf(about)), createdAt: 1, updatedAt: 1 }, 99)
  }
  for (const name of ['A', 'B', 'C', 'D', 'E']) await put(name)
  for (const id of ['ntf-1', 'ntf-2']) {
    const [now, past] = ['now', 'past'].map((key) =>
      before.seal(`${id} ${key}`, keyPurposeOf({ id, ownerId: 'usr-a' })),
    )
    const keys = [
      { sealed: now ?? '', until: null },
      { sealed: past ?? '', until: 99 },
    ]
    await stores.notifications.create(
      notificationOf({ id, target: { type: 'webhook', url: 'https://a.example', keys } }),
      9,
    )
  }
  await stores.notifications.create(notificationOf({ id: 'ntf-3', target: { type: 'email', to: 'a@b.example' } }), 9)
  const left: number[] = []
  const loopOf = (keys: readonly string[], takesTurn = () => true, used = stores) =>
    createReseal({
      ...{ stores: used, sealer: sealerOf(...keys), log: createLog({ level: 'silent' }), rows: 2, takesTurn },
      onLeft: (count) => left.push(count),
    })
  const round = async (loop: () => Promise<boolean>) => {
    while (await loop());
  }
  /** What a process with the newer key alone can open. */
  const opened = async () => {
    const sealer = sealerOf(newer)
    const secrets = (await stores.secrets.list('usr-a', { after: null, limit: 99 })).map((one) =>
      sealer.open(one.sealed, purposeOf(one)),
    )
    const keys = (await stores.notifications.listOfOwner('usr-a')).flatMap((one) =>
      one.target.type === 'webhook' ? one.target.keys.map(({ sealed }) => sealer.open(sealed, keyPurposeOf(one))) : [],
    )
    return [...secrets, ...keys]
  }
  return { stores, put, left, loopOf, round, opened }
}
const all = ['A', 'B', 'C', 'D', 'E'].map((name) => `value of ${name}`)
const keys = ['ntf-1 now', 'ntf-1 past', 'ntf-2 now', 'ntf-2 past']

describe('what an earlier key has sealed', () => {
  it('is sealed with the newest one, so that the earlier one can go', async () => {
    const { loopOf, round, opened, left, stores } = await open()
    await expect(opened()).rejects.toThrow('is not set')
    await round(loopOf([newer, older]))
    expect([await opened(), left]).toEqual([[...all, ...keys], [0]])
    const [first] = await stores.secrets.readMany('usr-a', ['A'])
    expect(first).toMatchObject({ createdAt: 1, updatedAt: 1 })
    await round(loopOf([newer]))
    expect(left).toEqual([0, 0])
    expect(await stores.secrets.readMany('usr-a', ['A'])).toEqual([first])
  })

  it('is sealed anew by the next round where one was cut off', async () => {
    const { loopOf, round, opened, left } = await open()
    const cutOff = loopOf([newer, older])
    for (let pages = 0; pages < 2; pages += 1) expect(await cutOff()).toBe(true)
    await round(loopOf([newer, older]))
    expect([await opened(), left]).toEqual([[...all, ...keys], [0]])
  })

  it('counts as left where its key is not set, and stays as it is', async () => {
    const { put, loopOf, round, left, stores } = await open()
    await put('LOST', sealerOf(lost))
    const before = await stores.secrets.readMany('usr-a', ['LOST'])
    await round(loopOf([newer, older]))
    expect(left).toEqual([1])
    expect(await stores.secrets.readMany('usr-a', ['LOST'])).toEqual(before)
  })

  it('keeps a value that is stored meanwhile', async () => {
    const { put, loopOf, round, opened, stores } = await open()
    const slow = {
      ...stores,
      secrets: {
        ...stores.secrets,
        reseal: async (...args: Parameters<typeof stores.secrets.reseal>) => {
          if (args[0].name === 'B') await put('B', sealerOf(newer), 'new value of B')
          return stores.secrets.reseal(...args)
        },
      },
    }
    await round(loopOf([newer, older], () => true, slow))
    expect(await opened()).toContain('new value of B')
  })

  it('is left to the instance whose turn it is', async () => {
    const { loopOf, opened, left } = await open()
    expect(await loopOf([newer, older], () => false)()).toBe(false)
    expect(left).toEqual([0])
    await expect(opened()).rejects.toThrow('is not set')
  })
})
