// pg-boss beside Belfry: `node pg-boss.mjs OPTIONS`, where OPTIONS is a JSON object. Prints one JSON line.
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { inParallel, print } from './measure.mjs'

const { url, n, batch, callers } = JSON.parse(process.argv[2] ?? '{}')

/** `n` jobs that run once, in a day, stored `batch` a call. */
const boss = new PgBoss({ connectionString: url, max: callers, supervise: false, schedule: false })
boss.on('error', (error) => console.error(error))
await boss.start()
await boss.createQueue('store')
const dayMs = 86_400_000
const one = (index) => ({ data: { durationMs: 0 }, startAfter: new Date(Date.now() + dayMs + index) })
const store = (count) =>
  inParallel(Math.ceil(count / batch), callers, async (index) => {
    const first = index * batch
    const jobs = Array.from({ length: Math.min(batch, count - first) }, (_, at) => one(first + at))
    await boss.insert('store', jobs)
  })
const before = Math.min(n, 5000)
await store(before)
const begun = performance.now()
await store(n)
const seconds = (performance.now() - begun) / 1000
await boss.stop({ graceful: false })
const pool = new pg.Pool({ connectionString: url })
const { rows } = await pool.query("select count(*)::int as stored from pgboss.job where name = 'store'")
await pool.end()
print({ seconds, missing: before + n - rows[0].stored })
