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
  {
    name: 'admins, sessions and API keys',
    sql: `
      ALTER TABLE users ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE users ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE users ADD COLUMN invite TEXT;
      ALTER TABLE users ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
      CREATE TABLE admins (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        user_ids TEXT NOT NULL,
        version INTEGER NOT NULL
      ) STRICT;
      INSERT INTO admins (only, user_ids, version) VALUES (1, '[]', 0);
      CREATE TABLE sessions (
        id TEXT NOT NULL UNIQUE,
        user_id TEXT NOT NULL,
        generation INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        hash TEXT NOT NULL,
        rotated_at INTEGER NOT NULL,
        previous TEXT
      ) STRICT;
      CREATE INDEX sessions_of_user ON sessions (user_id, rotated_at);
      CREATE INDEX sessions_by_end ON sessions (expires_at);
      CREATE TABLE api_keys (
        id TEXT NOT NULL UNIQUE,
        user_id TEXT NOT NULL,
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        hash TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        last_used_at INTEGER
      ) STRICT;
      CREATE INDEX api_keys_of_user ON api_keys (user_id);
    `,
  },
  { name: 'audit log, and positions of loops', sql: `${cursorsTable}${auditTables}` },
  { name: 'marks of refresh tokens', sql: 'ALTER TABLE sessions ADD COLUMN mark_key TEXT;' },
]
