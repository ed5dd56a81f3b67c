import { describe } from 'vitest'
import { createMongoStores, mongoUrl } from './mongo-stores.ts'
import { describeStores } from './store.contract.ts'

describe.skipIf(mongoUrl === undefined)('with a MongoDB server', () => {
  describeStores('MongoDB', createMongoStores)
})
