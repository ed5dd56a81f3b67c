import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { describeStores } from './store.contract.ts'

describeStores('SQLite', async () => createSqliteStores(await openMemoryDatabase(migrations)))
