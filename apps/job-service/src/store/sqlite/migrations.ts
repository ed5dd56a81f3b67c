import { auditTables } from '@belfry/audit/sqlite'
import { jobStates } from '@belfry/contracts'
import { cursorsTable, type Migration, poisonIndex, poisonTable } from '@belfry/storage/sqlite'

/** The states of jobs that count against the quota, as rows hold them. */
const counted = (['active', 'paused'] as const).map((state) => jobStates.indexOf(state)).join(', ')

/**
 * The tables of jobs.db. Numbers instead of text wherever an index stands on a column, and ids that begin with the
 * time: both decide how many pages a commit touches. `state` and `status` are indexes into `jobStates` and
 * `executionStatuses` of the contracts, which only ever grow at the end. What can be long and is seldom shown
 * (params, result) stands last in its row: SQLite reads a row up to the last column that is asked for.
 */
export const migrations: readonly Migration[] = [
  {
    name: 'jobs, executions and what surrounds them',
    sql: `
-- jobs: how many of the owner's jobs count against the quota, maintained by the triggers below.
CREATE TABLE owners (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, jobs INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE jobs (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  ownerNo INTEGER NOT NULL,
  key TEXT,
  version INTEGER NOT NULL,
  state INTEGER NOT NULL,
  runAt INTEGER,
  createdAt INTEGER NOT NULL,
  changedAt INTEGER NOT NULL,
  fencedVersion INTEGER NOT NULL,
  fenceAt INTEGER,
  fenceTries INTEGER NOT NULL DEFAULT 0,
  name TEXT NOT NULL,
  jobType TEXT NOT NULL,
  body TEXT NOT NULL,
  params TEXT NOT NULL
) STRICT;
-- A key belongs to one live job (active or paused: 0 and 1); a cancelled one is found by it while no live job has it.
CREATE UNIQUE INDEX jobsByKey ON jobs (ownerNo, key) WHERE key IS NOT NULL AND state < 2;
CREATE INDEX jobsByFormerKey ON jobs (ownerNo, key) WHERE key IS NOT NULL AND state = 2;
CREATE INDEX jobsByOwner ON jobs (ownerNo);
CREATE INDEX jobsByChange ON jobs (changedAt);
CREATE INDEX jobsToFence ON jobs (fenceAt) WHERE fenceAt IS NOT NULL;

CREATE TRIGGER jobMade AFTER INSERT ON jobs WHEN NEW.state IN (${counted}) BEGIN
  UPDATE owners SET jobs = jobs + 1 WHERE n = NEW.ownerNo;
END;
CREATE TRIGGER jobEnded AFTER UPDATE OF state ON jobs
WHEN OLD.state IN (${counted}) AND NEW.state NOT IN (${counted}) BEGIN
  UPDATE owners SET jobs = jobs - 1 WHERE n = NEW.ownerNo;
END;
CREATE TRIGGER jobRemoved AFTER DELETE ON jobs WHEN OLD.state IN (${counted}) BEGIN
  UPDATE owners SET jobs = jobs - 1 WHERE n = OLD.ownerNo;
END;

-- Jobs whose newest version is not yet on the bus.
CREATE TABLE outbox (n INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT;

CREATE TABLE executions (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  jobNo INTEGER NOT NULL,
  ownerNo INTEGER NOT NULL,
  fireAt INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  version INTEGER NOT NULL,
  status INTEGER NOT NULL,
  endedAt INTEGER,
  nextSendAt INTEGER,
  tries INTEGER NOT NULL DEFAULT 0,
  jobType TEXT NOT NULL,
  reason TEXT,
  -- 1 where the trigger brought params of its own: they stay. Other params go with the command, and are the job's.
  ownParams INTEGER NOT NULL DEFAULT 0,
  body TEXT NOT NULL,
  result TEXT,
  params TEXT
) STRICT;
CREATE INDEX executionsByOwner ON executions (ownerNo, fireAt);
CREATE INDEX executionsByJob ON executions (jobNo, fireAt);
CREATE INDEX executionsFailed ON executions (ownerNo, fireAt) WHERE status = 4;
CREATE INDEX executionsToSend ON executions (nextSendAt) WHERE nextSendAt IS NOT NULL;

-- Those that are running and those that wait for a retry (1 and 2). A short execution is stored by its end alone and is never in this index.
CREATE INDEX executionsAtWork ON executions (jobNo, status, fireAt) WHERE status = 1 OR status = 2;

-- Each job's newest execution that has ended for good, by fire time (null before the first one), and the newest fire time
-- that the scheduler has handed over (null before the first one). Written after the execution itself.
CREATE TABLE summaries (
  jobNo INTEGER PRIMARY KEY,
  executionId TEXT,
  fireAt INTEGER,
  seq INTEGER,
  status INTEGER,
  endedAt INTEGER,
  scheduledAt INTEGER
) STRICT;

-- Requests that came with an Idempotency-Key, with their answers.
CREATE TABLE requests (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  bodyHash TEXT NOT NULL,
  mintedId TEXT NOT NULL,
  madeAt INTEGER NOT NULL,
  triedBy TEXT NOT NULL,
  triedAt INTEGER NOT NULL,
  answer TEXT
) STRICT;
CREATE INDEX requestsByAge ON requests (madeAt);

${poisonTable}

${cursorsTable}
`,
  },
  { name: 'each poison message once', sql: poisonIndex },
  {
    // A change moves its row to the end of the index. Rows of the time before have no number, and count by n.
    name: 'change numbers of jobs',
    sql: `
ALTER TABLE jobs ADD COLUMN changeNo INTEGER;
CREATE INDEX jobsByChangeNo ON jobs (coalesce(changeNo, n));
DROP INDEX jobsByChange;
`,
  },
  {
    // A deleted job (state 3) is on no list, and its key finds it when it was the last one to have it.
    name: 'pauses that end, and deleted jobs',
    sql: `
ALTER TABLE jobs ADD COLUMN pauseUntil INTEGER;
CREATE INDEX jobsByPauseEnd ON jobs (pauseUntil) WHERE pauseUntil IS NOT NULL;
DROP INDEX jobsByFormerKey;
CREATE INDEX jobsByFormerKey ON jobs (ownerNo, key) WHERE key IS NOT NULL AND state >= 2;
DROP INDEX jobsByOwner;
CREATE INDEX jobsByOwner ON jobs (ownerNo) WHERE state < 3;
`,
  },
  {
    // Which execution ran another again stands apart: in a column behind params and results each list would read through these.
    name: 'executions that were run again',
    sql: `
CREATE TABLE retries (n INTEGER PRIMARY KEY, retriedBy TEXT NOT NULL) STRICT;
ALTER TABLE executions ADD COLUMN isRetried INTEGER;
DROP INDEX executionsFailed;
CREATE INDEX executionsFailed ON executions (ownerNo, fireAt) WHERE status = 4 AND isRetried IS NULL;
CREATE TRIGGER executionRemoved AFTER DELETE ON executions WHEN OLD.isRetried = 1 BEGIN
  DELETE FROM retries WHERE n = OLD.n;
END;
`,
  },
  {
    // The viewers of a job stand in its body too; a user has a number in owners, with jobs or without.
    name: 'viewers of jobs',
    sql: `
CREATE TABLE viewers (viewerNo INTEGER NOT NULL, jobNo INTEGER NOT NULL, PRIMARY KEY (viewerNo, jobNo)) STRICT, WITHOUT ROWID;
CREATE INDEX viewersOfJob ON viewers (jobNo);
`,
  },
  { name: 'audit log', sql: auditTables },
  {
    name: 'secrets',
    sql: `
-- sealed: the value, which no other column has.
CREATE TABLE secrets (
  n INTEGER PRIMARY KEY,
  ownerId TEXT NOT NULL,
  name TEXT NOT NULL,
  sealed TEXT NOT NULL,
  createdAt INTEGER NOT NULL,
  updatedAt INTEGER NOT NULL,
  UNIQUE (ownerId, name)
) STRICT;
`,
  },
  {
    // No fire time of the job that is still to come lies before dueFrom; null for jobs that have none (store/ports.ts, listByDue).
    name: 'the order of next runs',
    sql: `
ALTER TABLE jobs ADD COLUMN dueFrom INTEGER;
UPDATE jobs SET dueFrom = coalesce(runAt, changedAt) WHERE state = 0;
CREATE INDEX jobsByDue ON jobs (ownerNo, dueFrom) WHERE dueFrom IS NOT NULL;
`,
  },
  {
    // In `body` the whole record as JSON; the columns are what is searched. nextAt and dueAt: null once it is over.
    name: 'notifications, their deliveries, and the events that they report',
    sql: `
CREATE TABLE notifications (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, rev INTEGER NOT NULL, ownerId TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX notificationsByOwner ON notifications (ownerId);

CREATE TABLE deliveries (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  rev INTEGER NOT NULL,
  ownerId TEXT NOT NULL,
  notificationId TEXT NOT NULL,
  createdAt INTEGER NOT NULL,
  nextAt INTEGER,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX deliveriesByNotification ON deliveries (notificationId, createdAt, id);
CREATE INDEX deliveriesByAge ON deliveries (createdAt);
CREATE INDEX deliveriesDue ON deliveries (nextAt) WHERE nextAt IS NOT NULL;
CREATE INDEX deliveriesOpen ON deliveries (ownerId, createdAt) WHERE nextAt IS NOT NULL;

CREATE TABLE jobEvents (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, rev INTEGER NOT NULL, at INTEGER NOT NULL, dueAt INTEGER, body TEXT NOT NULL
) STRICT;
CREATE INDEX jobEventsDue ON jobEvents (dueAt) WHERE dueAt IS NOT NULL;
CREATE INDEX jobEventsReported ON jobEvents (at) WHERE dueAt IS NULL;

CREATE TABLE alerts (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  rev INTEGER NOT NULL,
  isFailing INTEGER NOT NULL,
  updatedAt INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX alertsFailing ON alerts (id) WHERE isFailing = 1;
CREATE INDEX alertsQuiet ON alerts (updatedAt) WHERE isFailing = 0;
`,
  },
  {
    // A statement of its own for each job cost as much as the job; a trigger keeps the mark in the same row's insert.
    name: 'a new job is unpublished',
    sql: `
CREATE TRIGGER jobMadeUnpublished AFTER INSERT ON jobs BEGIN
  INSERT INTO outbox (n, seq) VALUES (NEW.n, NEW.version);
END;
`,
  },
  {
    // backAt: when all of the quota of a user or an address is back, epoch milliseconds.
    name: 'mails that count against a quota',
    sql: `
CREATE TABLE mailCounts (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, rev INTEGER NOT NULL, backAt INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX mailCountsByAge ON mailCounts (backAt);
`,
  },
  {
    // What did not succeed (FAILED and all later statuses: 4 and above) is found among millions that did, of a user and of all; and
    // operators list the executions of all users. Fire times come in order, so the index of all grows at its end.
    name: 'lists of executions of all users, and of what did not succeed',
    sql: `
CREATE INDEX executionsByFireAt ON executions (fireAt);
CREATE INDEX executionsUnwell ON executions (ownerNo, fireAt) WHERE status >= 4;
CREATE INDEX executionsUnwellOfAll ON executions (fireAt) WHERE status >= 4;
CREATE INDEX executionsRunning ON executions (ownerNo) WHERE status = 1;
`,
  },
]
