import { cursorsTable, type Migration, poisonIndex, poisonTable } from '@belfry/storage/sqlite'

/**
 * `executions`: what is queried stands in columns, the command in `command`, which is rewritten only by a newer version;
 * what an execution comes to stands in `outcomes`, so that a finish does not widen the row. Params above 4 KiB stand in
 * `largeParams` and not in the command: SQLite writes a row anew with all its pages when a claim or a finish changes a
 * column (250 KB: 61 pages), and hardly any reader of a record needs them. Only `live` is touched by
 * every insert and finish; `ofJob` serves the fence and `ended` the retention (measured at 1 and 0.2 µs an execution).
 * `changes` serves the reconcile; it holds only what has ended, since what is open is in `live`. Rows of the time before change
 * numbers have none, and count by `n`.
 * `shard` is read by one of several executors only, so rows of the time before it may all have the same one.
 * `neededAt` and `at` tell the retention how old a row is; it walks by `n`, so they need no index.
 * `shard` is the hash by which several executors share what is due; a sole executor never reads it. A chunk of a log is known by
 * its first line, so appending it again finds it.
 * `pool` is that of the slots, or a number of the job type above those (pool `other`), so that what is ready of a type is found by a seek.
 * `expiring` holds only what is ready, has not started, and may not start however late: hardly anything.
 * The triggers leave a mark in `outbox` with every change, so no verb can forget it.
 */
export const migrations: readonly Migration[] = [
  {
    name: 'executions, admissions, executors, logs, artifacts and poison messages',
    sql: `
      CREATE TABLE executions (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        jobNo INTEGER NOT NULL,
        ownerNo INTEGER NOT NULL,
        state INTEGER NOT NULL,
        pool INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        runAt INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        owner TEXT,
        startedAt INTEGER,
        cancelRequested INTEGER NOT NULL,
        changedAt INTEGER NOT NULL,
        doubtAt INTEGER,
        command TEXT NOT NULL
      ) STRICT;
      CREATE INDEX live ON executions (state, pool, priority, runAt, ownerNo) WHERE state < 2;
      CREATE INDEX ofJob ON executions (jobNo, state) WHERE state < 2;
      CREATE INDEX ended ON executions (changedAt) WHERE state > 1;
      CREATE INDEX inDoubt ON executions (jobNo, doubtAt) WHERE doubtAt IS NOT NULL;

      CREATE TABLE outcomes (n INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;

      CREATE TABLE largeParams (n INTEGER PRIMARY KEY, size INTEGER NOT NULL, body TEXT NOT NULL) STRICT;

      CREATE TABLE outbox (n INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
      CREATE TRIGGER markInserted AFTER INSERT ON executions BEGIN
        INSERT INTO outbox (n, seq) VALUES (new.n, new.seq);
      END;
      CREATE TRIGGER markChanged AFTER UPDATE OF seq ON executions BEGIN
        INSERT INTO outbox (n, seq) VALUES (new.n, new.seq) ON CONFLICT (n) DO UPDATE SET seq = excluded.seq;
      END;

      CREATE TABLE admissions (
        n INTEGER PRIMARY KEY,
        jobId TEXT NOT NULL UNIQUE,
        rev INTEGER NOT NULL,
        neededAt INTEGER NOT NULL,
        unsettled INTEGER NOT NULL,
        body TEXT NOT NULL
      ) STRICT;
      CREATE INDEX unsettledAdmissions ON admissions (n) WHERE unsettled > 0;

      CREATE TABLE executors (
        instance TEXT PRIMARY KEY,
        beat INTEGER NOT NULL,
        address TEXT,
        gone INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE logs (
        n INTEGER PRIMARY KEY,
        execution INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        lastSeq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        lines TEXT NOT NULL
      ) STRICT;
      CREATE INDEX logsOfExecution ON logs (execution, epoch, lastSeq);

      CREATE TABLE artifacts (
        n INTEGER PRIMARY KEY,
        execution INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        name TEXT NOT NULL,
        body BLOB NOT NULL,
        UNIQUE (execution, epoch, name)
      ) STRICT;

${poisonTable}${cursorsTable}
    `,
  },
  {
    name: 'shards of executions; each chunk of a log and each poison message once',
    sql: `
      ALTER TABLE executions ADD COLUMN shard INTEGER NOT NULL DEFAULT 0;

      ALTER TABLE logs ADD COLUMN firstSeq INTEGER NOT NULL DEFAULT 0;
      UPDATE logs SET firstSeq = CASE WHEN json_valid(lines) THEN coalesce(lines ->> '$[0].seq', lastSeq) ELSE lastSeq END;
      DELETE FROM logs WHERE n NOT IN (SELECT max(n) FROM logs GROUP BY execution, epoch, firstSeq);
      DROP INDEX logsOfExecution;
      CREATE UNIQUE INDEX logsOfExecution ON logs (execution, epoch, firstSeq);
${poisonIndex}
    `,
  },
  {
    name: 'change numbers of executions',
    sql: `
      ALTER TABLE executions ADD COLUMN changeNo INTEGER;
      CREATE INDEX changes ON executions (coalesce(changeNo, n)) WHERE state > 1;
    `,
  },
  {
    name: 'until when executions may start',
    sql: `
      ALTER TABLE executions ADD COLUMN expiryAt INTEGER;
      CREATE INDEX expiring ON executions (expiryAt) WHERE state = 0 AND expiryAt IS NOT NULL;
    `,
  },
]
