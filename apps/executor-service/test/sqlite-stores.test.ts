import { openMemoryDatabase } from '@belfry/storage'
import { createSqliteStores } from '../src/store/sqlite/index.ts'
import { migrations } from '../src/store/sqlite/schema.ts'
import { describeStores } from './stores.contract.ts'

describeStores('SQLite', async () => {
  const db = await openMemoryDatabase(migrations)
  return { stores: createSqliteStores(db), close: () => db.close() }
})
