import type { DatabaseSync } from 'node:sqlite'
import type { CrashPoints } from '@belfry/service'
import { StorageError } from '../errors.ts'
import type { Migration } from './port.ts'

const table = `CREATE TABLE IF NOT EXISTS belfry_schema (
  version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL
) STRICT`

function appliedNames(db: DatabaseSync): string[] {
  return db
    .prepare('SELECT name FROM belfry_schema ORDER BY version')
    .all()
    .map((row) => String(row.name))
}

function refuseStrangers(applied: readonly string[], migrations: readonly Migration[]): void {
  if (applied.length > migrations.length) {
    const versions = `version ${applied.length}, this Belfry knows ${migrations.length}`
    throw new StorageError('schema-newer', `a newer Belfry wrote this file: its schema is at ${versions}`)
  }
  const odd = applied.findIndex((name, index) => name !== migrations[index]?.name)
  if (odd === -1) return
  const names = `"${applied[odd]}" in the file and "${migrations[odd]?.name}" here`
  throw new StorageError('failed', `migration ${odd + 1} is ${names}: a released migration must not be edited`)
}

function inTransaction(db: DatabaseSync, work: () => void): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    work()
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/**
 * Applies the migrations that the file does not have yet, each in one transaction, recorded in `belfry_schema` by its
 * number (its position in the list, from 1); each is the durable step `schema.migrate`. Throws `schema-newer` when the file has more of them than the list.
 */
export function migrate(db: DatabaseSync, migrations: readonly Migration[], crash: CrashPoints): void {
  db.exec(table)
  const applied = appliedNames(db)
  refuseStrangers(applied, migrations)
  const record = db.prepare('INSERT INTO belfry_schema (version, name, applied_at) VALUES (?, ?, unixepoch())')
  for (const [index, migration] of migrations.entries()) {
    if (index < applied.length) continue
    crash.at('schema.migrate', 'before')
    inTransaction(db, () => {
      db.exec(migration.sql)
      record.run(index + 1, migration.name)
    })
    crash.at('schema.migrate', 'after')
  }
}
