import { type BelfryProcess, eventually } from '../belfry-process.ts'
import type { Caller } from '../caller.ts'
import { openTarget, type Target } from '../target.ts'
import { ask, askBatch, cancel, type Ledger, type Wish } from './ledger.ts'

/** A target that keeps the calls to `/hold…` waiting until the proof lets it answer, and fails those to `/fail`. */
export interface HoldingTarget extends Target {
  /** From now on nothing is kept waiting. */
  release(): void
}

export async function openHoldingTarget(): Promise<HoldingTarget> {
  let isHolding = true
  const target = await openTarget(({ path }, response) => {
    if (path.startsWith('/fail')) response.writeHead(500).end()
    else if (!(isHolding && path.startsWith('/hold'))) response.end('{}')
  })
  return {
    ...target,
    release() {
      isHolding = false
    },
  }
}

const everySecond = '* * * * * *'

/** An HTTP job whose calls go to `targetPath`. */
function httpJob(target: Target, purpose: Wish['purpose'], targetPath: string, more: Record<string, unknown>): Wish {
  const params = { url: `${target.url}${targetPath}`, method: 'POST' }
  return { purpose, path: '/jobs', targetPath, body: { jobType: 'HTTP_CALL', params, ...more } }
}

/** A run that is at work for as long as the process lives. */
async function holdOne(user: Caller, ledger: Ledger, target: Target, belfry: BelfryProcess): Promise<void> {
  await ask(user, ledger, httpJob(target, 'hold', '/hold/one', { delay: '0s' }))
  const isHeld = () => target.calls.some(({ path }) => path === '/hold/one')
  let isGone = false
  void belfry.exited.then(() => {
    isGone = true
  })
  await eventually('a run to be under way', async () => isHeld() || isGone || undefined)
}

async function triggerAll(user: Caller, ledger: Ledger, target: Target): Promise<void> {
  const made = await ask(user, ledger, httpJob(target, 'trigger', '/manual', {}))
  if (!made.answer) return
  const path = `/jobs/${made.answer.id}/trigger`
  for (let n = 0; n < 12; n++) {
    const targetPath = `/trigger/${n}`
    const params = { url: `${target.url}${targetPath}`, method: 'POST' }
    await ask(user, ledger, { purpose: 'trigger', path, targetPath, body: { params } })
  }
}

/** One-shots in one call, and then triggers of one of them. */
async function batches(user: Caller, ledger: Ledger, target: Target): Promise<void> {
  const job = (n: number) => httpJob(target, 'once', `/once/batch/${n}`, { delay: `${n * 200}ms` })
  const jobs = Array.from({ length: 6 }, (_, n) => job(n))
  await askBatch(user, ledger, '/jobs/batch', jobs)
  const made = await ask(user, ledger, httpJob(target, 'trigger', '/manual/batch', {}))
  if (!made.answer) return
  const { id: jobId } = made.answer
  const triggers = Array.from({ length: 6 }, (_, n): Wish => {
    const targetPath = `/trigger/batch/${n}`
    const params = { url: `${target.url}${targetPath}`, method: 'POST' }
    return { purpose: 'trigger', path: '/triggers/batch', targetPath, body: { jobId, params } }
  })
  await askBatch(user, ledger, '/triggers/batch', triggers)
}

async function reportAll(user: Caller, ledger: Ledger): Promise<void> {
  const body = { jobType: 'REPORT', params: { reportType: 'daily-sales' } }
  for (let n = 0; n < 3; n++)
    await ask(user, ledger, { purpose: 'report', path: '/jobs', body: { ...body, delay: '50ms' } })
}

/** The executors have the job's execution, or the process has gone. */
export async function isKnown(user: Caller, jobId: string): Promise<true | undefined> {
  const list = await user.call<{ data: unknown[] }>('GET', `/jobs/${jobId}/executions`).catch(() => null)
  return list === null || list.body.data.length > 0 || undefined
}

/** Some are cancelled before the executors know them, some after. */
async function cancelSome(user: Caller, ledger: Ledger, target: Target): Promise<void> {
  for (let n = 0; n < 4; n++) {
    const isLate = n >= 2
    const made = await ask(
      user,
      ledger,
      httpJob(target, 'cancelled', `/cancelled/${n}`, { delay: isLate ? '4s' : '30s' }),
    )
    const { answer } = made
    if (answer && isLate) await eventually('a job to be known', () => isKnown(user, answer.id))
    await cancel(user, ledger, made)
  }
}

async function oneShots(user: Caller, ledger: Ledger, target: Target): Promise<void> {
  const ask1 = (n: number) => ask(user, ledger, httpJob(target, 'once', `/once/${n}`, { delay: `${n * 120}ms` }))
  await Promise.all(Array.from({ length: 12 }, (_, n) => ask1(n)))
}

/** A job of every second that needs no target, with runs of more than a second, so that they come into each other's way. */
function overlapping(policy: 'queue' | 'cancel-running'): Wish {
  const body = { jobType: 'DUMMY', params: { durationMs: 1400 }, schedule: everySecond, overlap: { policy } }
  return { purpose: 'every-second', path: '/jobs', body }
}

/** A run whose time is over when it is asked for. */
function expired(): Wish {
  const runAt = new Date(Date.now() - 60_000).toISOString()
  return { purpose: 'expires', path: '/jobs', body: { jobType: 'DUMMY', runAt, expiresAfter: '1s' } }
}

/**
 * What users do until the process dies: one run that hangs, one-shots, crons of every second (of some the runs are longer
 * than a second, so that they are skipped, wait, or end the one before), a one-shot whose time is over, triggers, reports with artifacts, a job that always fails, and cancels.
 */
export async function work(belfry: BelfryProcess, user: Caller, target: Target): Promise<Ledger> {
  const ledger: Ledger = { entries: [], cancels: [] }
  await holdOne(user, ledger, target, belfry)
  const retry = { maxRetries: 2, backoff: 'fixed', delay: '150ms', jitter: false }
  await Promise.all([
    ask(user, ledger, httpJob(target, 'every-second', '/tick', { schedule: everySecond })),
    ask(user, ledger, httpJob(target, 'every-second', '/hold/tick', { schedule: everySecond })),
    ask(user, ledger, overlapping('queue')),
    ask(user, ledger, overlapping('cancel-running')),
    ask(user, ledger, expired()),
    ask(user, ledger, httpJob(target, 'fails', '/fail', { delay: '0s', retry })),
    oneShots(user, ledger, target),
    triggerAll(user, ledger, target),
    batches(user, ledger, target),
    reportAll(user, ledger),
    cancelSome(user, ledger, target),
  ])
  return ledger
}
