// BullMQ beside Belfry: `node bullmq.mjs WORK OPTIONS`, where OPTIONS is a JSON object. Prints one JSON line.
import { setTimeout as wait } from 'node:timers/promises'
import { Queue, Worker } from 'bullmq'
import { inParallel, percentile, print } from './measure.mjs'

const [work, optionsText = '{}'] = process.argv.slice(2)
const options = JSON.parse(optionsText)
const { hostname: host, port } = new URL(options.url)
// Workers of BullMQ refuse a limit of repetitions; a queue of its own connection does not.
const connection = { host, port: Number(port), maxRetriesPerRequest: null }

/** What is stored of a job that has ended is of no use here: removing it is BullMQ's faster setting. */
const jobOptions = { removeOnComplete: true }

/** One-shots at random milliseconds; late is how long after its time the processor of a job is called. */
async function lateness({ n, seconds, workers, concurrency }) {
  const queue = new Queue('late', { connection })
  const late = []
  const process = async (job) => void late.push(Date.now() - job.data.dueAt)
  const all = Array.from({ length: workers }, () => new Worker('late', process, { connection, concurrency }))
  await Promise.all(all.map((worker) => worker.waitUntilReady()))
  const start = Date.now() + 3000 + n
  const jobs = Array.from({ length: n }, () => {
    const dueAt = start + Math.floor(Math.random() * seconds * 1000)
    return { name: 'one', dueAt }
  })
  for (let at = 0; at < n; at += 500) {
    const some = jobs.slice(at, at + 500)
    await queue.addBulk(
      some.map(({ name, dueAt }) => ({ name, data: { dueAt }, opts: { ...jobOptions, delay: dueAt - Date.now() } })),
    )
  }
  if (Date.now() > start) throw new Error('the first job was due before the last one was stored')
  const until = start + seconds * 1000 + 20_000
  while (late.length < n && Date.now() < until) await wait(100)
  await Promise.all(all.map((worker) => worker.close()))
  await queue.close()
  const early = late.filter((ms) => ms < 0).length
  return {
    p50: percentile(late, 0.5),
    p99: percentile(late, 0.99),
    largest: Math.max(...late),
    early,
    missing: n - late.length,
  }
}

/** Callers that each wait until their job is stored; or callers that each store `batch` jobs a call. */
async function enqueue({ n, callers, batch, connections }) {
  const queues = Array.from({ length: connections }, () => new Queue('store', { connection }))
  await Promise.all(queues.map((queue) => queue.waitUntilReady()))
  const dueAt = Date.now() + 86_400_000
  const one = (index) => ({
    name: 'one',
    data: { durationMs: 0 },
    opts: { ...jobOptions, delay: dueAt + index - Date.now() },
  })
  const store = async (count, first) => {
    await inParallel(Math.ceil(count / batch), callers, async (index) => {
      const queue = queues[index % queues.length]
      const from = first + index * batch
      if (batch === 1) {
        const { name, data, opts } = one(from)
        await queue.add(name, data, opts)
      } else
        await queue.addBulk(Array.from({ length: Math.min(batch, count - index * batch) }, (_, at) => one(from + at)))
    })
  }
  await store(Math.min(n, 5000), 0)
  const begun = performance.now()
  await store(n, 5000)
  const tookMs = performance.now() - begun
  const stored = await queues[0].getDelayedCount()
  await Promise.all(queues.map((queue) => queue.close()))
  return { rate: (n / tookMs) * 1000, missing: n + Math.min(n, 5000) - stored }
}

print(await { lateness, enqueue }[work](options))
