import { describe, expect, it } from 'vitest'
import { execution, start } from '../samples.ts'
import { createDocumentStores } from './document-stores.ts'
import { describeStores } from './store.contract.ts'

describeStores('Maps of documents', async () => createDocumentStores())

describe('the document stores', () => {
  const large = { text: 'x'.repeat(10_000) }

  it('have orphans, which a walk removes once they are old', async () => {
    const { executions } = createDocumentStores()
    await executions.insertMany([execution({ params: large })], start)
    // Params are stored before their record, which is there already.
    await executions.insertMany([execution({ params: large })], start + 10)
    expect(await executions.purgeOrphans(start + 10, null, 9)).toEqual({ purged: 0, next: null })
    expect(await executions.purgeOrphans(start + 11, null, 9)).toEqual({ purged: 1, next: null })
    expect(await executions.purgeOrphans(start + 11, null, 9)).toEqual({ purged: 0, next: null })
  })

  it('answer in another order than they were asked', async () => {
    const { executions } = createDocumentStores()
    const answered: number[] = []
    const asked = Array.from({ length: 20 }, (_, n) => n)
    await Promise.all(asked.map((n) => executions.hasReady().then(() => answered.push(n))))
    expect(answered).not.toEqual(asked)
  })
})
