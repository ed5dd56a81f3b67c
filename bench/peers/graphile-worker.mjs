// graphile-worker beside Belfry: `node graphile-worker.mjs OPTIONS`, where OPTIONS is a JSON object. Prints one JSON line.
import { setTimeout as wait } from 'node:timers/promises'
import { Logger, run, runMigrations } from 'graphile-worker'
import pg from 'pg'
import { inParallel, print } from './measure.mjs'

const { url, n, batch, callers, concurrency, localQueue, completeDelayMs } = JSON.parse(process.argv[2] ?? '{}')

/** `n` jobs that do nothing, stored `batch` a call and run meanwhile, until the table of jobs is empty. */
const logger = new Logger(() => () => undefined)
const preset = {
  worker: {
    connectionString: url,
    concurrentJobs: concurrency,
    maxPoolSize: 10,
    localQueue: { size: localQueue },
    completeJobBatchDelay: completeDelayMs,
    failJobBatchDelay: completeDelayMs,
    pollInterval: 100,
  },
}
await runMigrations({ preset, logger })
let done = 0
const taskList = { noop: async () => void done++ }
const runner = await run({ preset, taskList, logger, noHandleSignals: true, parsedCronItems: [] })
const pool = new pg.Pool({ connectionString: url, max: callers })

const text = `select count(*) from graphile_worker.add_jobs(array(
  select json_populate_record(null::graphile_worker.job_spec, one) from json_array_elements($1::json) one))`
const store = (count) =>
  inParallel(Math.ceil(count / batch), callers, async (index) => {
    const size = Math.min(batch, count - index * batch)
    const specs = Array.from({ length: size }, () => ({ identifier: 'noop', payload: { durationMs: 0 } }))
    await pool.query(text, [JSON.stringify(specs)])
  })
const isEmpty = async () => {
  const { rows } = await pool.query('select not exists (select from graphile_worker._private_jobs) as empty')
  return rows[0].empty
}
const untilDone = async (count) => {
  while (done < count || !(await isEmpty())) await wait(10)
}

const before = Math.min(n, 2000)
await store(before)
await untilDone(before)
const begun = performance.now()
await store(n)
const storedMs = performance.now() - begun
await untilDone(before + n)
const recordedMs = performance.now() - begun
await runner.stop()
await pool.end()
print({ rate: (n / recordedMs) * 1000, storedRate: (n / storedMs) * 1000, extra: done - before - n })
