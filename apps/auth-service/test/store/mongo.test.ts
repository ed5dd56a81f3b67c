import { createTestDeps, dropMongoDatabase, peerUrl, uniqueName } from '@belfry/testkit'
import { afterAll, describe } from 'vitest'
import { openStores } from '../../src/index.ts'
import { describeStores } from './store.contract.ts'

const url = peerUrl('mongo')

describe.skipIf(url === undefined)('the stores of auth-service on MongoDB', () => {
  const names: string[] = []
  afterAll(async () => {
    for (const name of names) await dropMongoDatabase(url ?? '', name)
  })

  describeStores('MongoDB', async () => {
    const name = uniqueName('auth')
    names.push(name)
    const thread = () => {
      throw new Error('a store on MongoDB needs no store thread')
    }
    return openStores(new URL(name, url).href, { ...createTestDeps().depsOf('auth-service'), thread })
  })
})
