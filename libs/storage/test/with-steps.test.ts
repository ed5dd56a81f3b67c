import { expect, it } from 'vitest'
import { openMemoryDatabase, withSteps } from '../src/sqlite/index.ts'

it('a write whose name is not in the list of durable steps is refused and stores nothing', async () => {
  const db = await openMemoryDatabase([{ name: 'bells', sql: 'CREATE TABLE bells (name TEXT) STRICT' }])
  const named = withSteps(db, ['bells.add'])
  const insert = named.statement('INSERT INTO bells (name) VALUES (?)')
  const refusal = { code: 'failed', message: expect.stringContaining('bells.melt is not in the list') }
  await expect(named.write('bells.melt', [{ statement: insert, params: ['Peter'] }])).rejects.toMatchObject(refusal)
  await expect(named.writeEach('bells.melt', insert, [['Peter']])).rejects.toMatchObject(refusal)
  await expect(named.insertEach('bells.melt', insert, [['Peter']])).rejects.toMatchObject(refusal)
  await named.writeEach('bells.add', insert, [['Emma']])
  expect(await named.read(named.statement('SELECT name FROM bells'), [])).toEqual([['Emma']])
  await named.close()
})
