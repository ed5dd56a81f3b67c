import { createDocumentStores } from './document-stores.ts'
import { describeStores } from './store.contract.ts'

describeStores('documents in Maps', async () => {
  const { stores, spoil } = createDocumentStores()
  return { stores, spoil, capabilities: { givesRowsInInsertOrder: false, sharesWork: true } }
})
