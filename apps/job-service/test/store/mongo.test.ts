import { describe } from 'vitest'
import { mongoUrl, openPassingStores } from './mongo.ts'
import { describeStores } from './store.contract.ts'

describe.skipIf(mongoUrl === undefined)('MongoDB', () => {
  describeStores('MongoDB', { keepsQuotaExactly: false, sharesWork: true }, () => openPassingStores())
})
