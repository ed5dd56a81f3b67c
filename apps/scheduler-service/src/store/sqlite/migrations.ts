import { cursorsTable, type Migration, poisonIndex, poisonTable } from '@belfry/storage/sqlite'

/**
 * `schedules`: one row per job. `body` changes with every fire time, `spec` with a version only, so that an advance neither
 * writes the params as text again nor sends them through the threads. `pending` counts the pending commands. A spec above
 * 4 KiB is in `largeSpecs`, and '' in its column: SQLite writes a row anew with all its pages when an advance changes a
 * column (250 KB of params: 61 pages). Only `dueAt` is polled. `fireLog`: a range is named by its first three columns.
 */
export const migrations: readonly Migration[] = [
  {
    name: 'schedules, the fire log, poison messages and the cursor of reconcile',
    sql: `
      CREATE TABLE schedules (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        version INTEGER NOT NULL,
        dueAt INTEGER,
        endedAt INTEGER,
        waiting INTEGER NOT NULL,
        rev INTEGER NOT NULL,
        body TEXT NOT NULL,
        spec TEXT NOT NULL
      ) STRICT;
      CREATE INDEX schedulesDue ON schedules (dueAt) WHERE dueAt IS NOT NULL;
      CREATE TABLE largeSpecs (n INTEGER PRIMARY KEY, spec TEXT NOT NULL) STRICT;
      CREATE TABLE fireLog (
        n INTEGER PRIMARY KEY,
        jobId TEXT NOT NULL,
        fromAt INTEGER NOT NULL,
        decision TEXT NOT NULL,
        toAt INTEGER NOT NULL,
        count INTEGER NOT NULL,
        reason TEXT NOT NULL,
        version INTEGER NOT NULL,
        UNIQUE (jobId, fromAt, decision)
      ) STRICT;
${poisonTable}
${cursorsTable}
    `,
  },
  {
    name: 'the pending commands, the fire-log outbox and the quarantine by their names of today; each poison message once',
    sql: `
      ALTER TABLE schedules RENAME COLUMN waiting TO pending;
      UPDATE schedules SET body = json_remove(
        json_set(body, '$.fireLogOutbox', json(body -> '$.undelivered'), '$.quarantined', json(body -> '$.aside')),
        '$.undelivered', '$.aside'
      ) WHERE json_valid(body);
${poisonIndex}
    `,
  },
  {
    name: 'when fire times were logged',
    sql: `
      ALTER TABLE fireLog ADD COLUMN loggedAt INTEGER;
      CREATE INDEX fireLogMissed ON fireLog (loggedAt) WHERE decision = 'missed';
    `,
  },
]
