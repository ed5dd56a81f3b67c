import { readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { type BelfryProcess, eventually, makeDataDir, startBelfry } from '../proof/belfry-process.ts'
import { type Caller, readAll, signUp } from '../proof/caller.ts'
import { inParallel } from './belfry.ts'
import type { Benchmark } from './report.ts'

interface Execution {
  jobId: string
  fireAt: string
  status: string
  attempts: unknown[]
}

const callers = 16
/** Jobs that show how long a creation takes; they lie far in the future and never run. */
const probes = 64

/** Largest resident size of the process so far, MiB (Linux). */
async function peakRssMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024
}

/** Used heap of the main thread, MiB, as the process itself says. */
async function heapMib(url: string): Promise<number> {
  const text = await fetch(`${url}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  )
  return Number(/^nodejs_heap_size_used_bytes(?:\{.*\})? (\S+)/m.exec(text)?.[1] ?? 0) / 2 ** 20
}

/** A user whose token is renewed long before it expires (15 minutes): a large burst takes longer than that. */
function createSession(urlOf: () => string): () => Promise<Caller> {
  let user: Promise<Caller> | null = null
  let loggedInAt = 0
  return () => {
    const isOld = performance.now() - loggedInAt > 300_000
    if (!user || isOld) {
      loggedInAt = performance.now()
      user = signUp(urlOf(), 'burst-user')
      user.catch(() => {
        user = null
      })
    }
    return user
  }
}
type Session = ReturnType<typeof createSession>

/** A key of its own makes a job once, however often its creation is tried. */
async function createOne(session: Session, key: string, bytes: number, runAt: number): Promise<void> {
  const params = { durationMs: 0, payload: 'x'.repeat(bytes) }
  const body = { key, jobType: 'DUMMY', params, runAt: new Date(runAt).toISOString() }
  for (;;) {
    const created = await (await session()).call('POST', '/jobs', body)
    if (created.status === 201 || created.status === 409) return
    if (created.status < 502 && created.status !== 408)
      throw new Error(`create: ${created.status} ${JSON.stringify(created.body)}`)
    await wait(Number(created.headers.get('retry-after') ?? 1) * 1000)
  }
}

/**
 * Creates the jobs, all due at one moment that lies behind the last creation; answers that moment. `leadSeconds` says how
 * far ahead it lies; 0 takes what the first creations need.
 */
async function createAll(session: Session, jobs: number, bytes: number, leadSeconds: number): Promise<number> {
  const begun = performance.now()
  await inParallel(probes, callers, (index) => createOne(session, `probe-${index}`, bytes, Date.now() + 86_400_000))
  const eachMs = (performance.now() - begun) / probes
  const leadMs = leadSeconds > 0 ? leadSeconds * 1000 : jobs * eachMs * 1.5 + 30_000
  const dueAt = Math.ceil((Date.now() + leadMs) / 1000) * 1000
  await inParallel(jobs, callers, (index) => createOne(session, `job-${index}`, bytes, dueAt))
  if (Date.now() > dueAt - 5000) throw new Error('the jobs were due before the last one was created')
  return dueAt
}

const isOpen = (status: string) => status === 'SCHEDULED' || status === 'RUNNING' || status === 'RETRYING'

/** The executions that were due at `dueAt`, once each job has one that has ended. */
async function ended(session: Session, jobs: number, dueAt: number, belfry: BelfryProcess): Promise<Execution[]> {
  const allOver = async () => {
    const gone = await Promise.race([belfry.exited, wait(3000)])
    if (typeof gone === 'string') throw new Error(`Belfry ended (${gone}):\n${belfry.output().slice(-2000)}`)
    const runs = await readAll<Execution>(await session(), '/executions').catch(() => [])
    const due = runs.filter((one) => Date.parse(one.fireAt) === dueAt)
    return due.length >= jobs && !due.some((one) => isOpen(one.status)) ? due : undefined
  }
  return eventually('every job to have run', allOver, 60_000 + jobs * 60)
}

/**
 * Many jobs with large params that are due at one moment, in a process with a small heap; with `--kill 1` the process is
 * killed a second after that moment and started again.
 */
export const burst: Benchmark = {
  title: 'large params due at one moment in a small heap: memory, and whether each job ran once',
  defaults: { jobs: 2000, bytes: 250_000, heap: 512, kill: 0, lead: 0 },
  async run({ jobs = 0, bytes = 0, heap = 0, kill = 0, lead = 0 }) {
    const folder = await makeDataDir()
    const env = { NODE_OPTIONS: `--max-old-space-size=${heap}` }
    let belfry = await startBelfry(folder.path, { env, deadlineMs: 120_000 })
    let session = createSession(() => belfry.url)
    let rss = 0
    let used = 0
    let isMeasuring = true
    const measure = async () => {
      while (isMeasuring) {
        rss = Math.max(rss, await peakRssMib(belfry.pid))
        used = Math.max(used, await heapMib(belfry.url))
        await wait(200)
      }
    }
    const measuring = measure()
    try {
      const dueAt = await createAll(session, jobs, bytes, lead)
      const rssCreated = await peakRssMib(belfry.pid)
      if (kill > 0) {
        await wait(dueAt + 1000 - Date.now())
        await belfry.kill()
        belfry = await startBelfry(folder.path, { env, deadlineMs: 120_000 })
        session = createSession(() => belfry.url)
      }
      const runs = await ended(session, jobs, dueAt, belfry)
      const tookMs = Date.now() - dueAt
      const succeeded = new Set(runs.filter((one) => one.status === 'SUCCESS').map((one) => one.jobId))
      const again = runs.filter((one) => one.attempts.length > 1).length
      return [
        {
          id: 'burst',
          what: 'jobs without a success',
          value: jobs - succeeded.size,
          unit: 'jobs',
          goal: { atMost: 0 },
        },
        {
          id: 'burst',
          what: 'executions beyond one a job',
          value: runs.length - jobs,
          unit: 'runs',
          goal: { atMost: 0 },
        },
        { id: 'burst', what: 'runs of more than one attempt', value: again, unit: 'runs' },
        { id: 'burst', what: 'from the due time to the last recorded end', value: tookMs / 1000, unit: 's' },
        { id: 'burst', what: 'largest resident size while jobs were created', value: rssCreated, unit: 'MiB' },
        { id: 'burst', what: 'largest resident size', value: rss, unit: 'MiB', goal: { atMost: 3 * heap } },
        { id: 'burst', what: 'largest heap of the main thread', value: used, unit: 'MiB', goal: { atMost: heap } },
      ]
    } finally {
      isMeasuring = false
      await measuring
      await belfry.stop()
      await folder.remove()
    }
  },
}
