import { describe, vi } from 'vitest'
import { mongoUrl, openPassingStores } from './mongo.ts'
import { describeStores } from './store.contract.ts'

// The server is shared with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

describe.skipIf(mongoUrl === undefined)('MongoDB', () => {
  describeStores('MongoDB', { keepsQuotaExactly: false, sharesWork: true }, () => openPassingStores())
})
