import { openStoreThread } from '../src/sqlite/index.ts'

/**
 * The process that crash.test.ts kills: adds bells one after the other and prints the name of each once it is stored.
 * Arguments: the file, the crash point.
 */
const [path = '', crashAt = null] = process.argv.slice(2)
const store = openStoreThread({ crashAt })
const db = await store.open(path, [{ name: 'bells', sql: 'CREATE TABLE bells (name TEXT) STRICT' }])
const insert = db.statement('INSERT INTO bells (name) VALUES (?)')
for (const name of ['Emma', 'Gabriel', 'Peter', 'Maria']) {
  await db.write('bells.add', [{ statement: insert, params: [name] }])
  process.stdout.write(`${name}\n`)
}
await store.close()
