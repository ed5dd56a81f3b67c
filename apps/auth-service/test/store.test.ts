import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { createSqliteKeys, createSqliteUsers, migrations } from '../src/store/sqlite/index.ts'
import { describeStores } from './store.contract.ts'

describeStores('SQLite', async () => {
  const db = await openMemoryDatabase(migrations)
  return { users: createSqliteUsers(db), keys: createSqliteKeys(db), close: () => db.close() }
})
