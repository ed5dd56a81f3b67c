import { createManualClock } from '@belfry/service'
import { describe } from 'vitest'
import { mongoUrl, openMongoTestStores } from './mongo.ts'
import { describeStores } from './store.contract.ts'

describe.skipIf(mongoUrl === undefined)('the stores of scheduler-service on MongoDB', () => {
  describeStores('MongoDB', async () => ({
    ...(await openMongoTestStores(createManualClock())),
    capabilities: { givesRowsInInsertOrder: false, sharesWork: true },
  }))
})
