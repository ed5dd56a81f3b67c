import { createDocumentStores } from './document-stores.ts'
import { describeStores } from './store.contract.ts'

describeStores('documents', { keepsQuotaExactly: false, sharesWork: true }, async () => createDocumentStores())
