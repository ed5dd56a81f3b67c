import { createLog, createMetrics } from '@belfry/service'
import { openMongo } from '../../src/mongo/index.ts'
import { bells } from './bells.ts'

/**
 * The process that crash.test.ts kills: adds bells one after the other and prints the name of each once it is stored.
 * Arguments: the URL with the database, the crash point.
 */
const [url = '', crashAt = null] = process.argv.slice(2)
const log = createLog({ level: 'fatal' })
const metrics = createMetrics().forService('test')
const db = await openMongo(url, {
  database: 'none',
  schemaVersion: 1,
  steps: null,
  collections: [bells],
  log,
  metrics,
  crashAt,
})
for (const name of ['Emma', 'Gabriel', 'Peter', 'Maria']) {
  await db.collection(bells).insertManyIfAbsent('bells.add', [{ _id: name }])
  process.stdout.write(`${name}\n`)
}
await db.close()
