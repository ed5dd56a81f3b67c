import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { monday } from '../fixtures.ts'
import { describeStores } from './store.contract.ts'

describeStores('SQLite', async () => {
  const db = await openMemoryDatabase(migrations)
  return { stores: createSqliteStores(db, createManualClock(monday)), close: () => db.close() }
})
