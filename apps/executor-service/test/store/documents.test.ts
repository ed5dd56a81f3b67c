import { createDocumentStores } from './document-stores.ts'
import { describeStores } from './store.contract.ts'

describeStores('Maps of documents', async () => {
  const stores = createDocumentStores()
  return { stores, close: stores.close }
})
