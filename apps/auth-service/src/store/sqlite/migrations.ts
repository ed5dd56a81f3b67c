import { auditTables } from '@belfry/audit/sqlite'
import { cursorsTable, type Migration } from '@belfry/storage/sqlite'

/** The schema of `auth.db`. Users are few and rarely written: the names are indexed as text. */
export const migrations: readonly Migration[] = [
  {
    name: 'users and signing keys',
    sql: `
      CREATE TABLE users (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        username TEXT NOT NULL,
        folded_name TEXT NOT NULL UNIQUE,
        roles TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        short_password INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        wrong_guesses INTEGER NOT NULL DEFAULT 0,
        last_wrong_at INTEGER NOT NULL DEFAULT 0
      ) STRICT;
      CREATE TABLE signing_keys (
        n INTEGER PRIMARY KEY,
        kid TEXT NOT NULL UNIQUE,
        private_pem TEXT NOT NULL,
        public_x TEXT NOT NULL,
        created_at INTEGER NOT NULL
      ) STRICT;
    `,
  },
  { name: 'audit log, and positions of loops', sql: `${cursorsTable}${auditTables}` },
]
