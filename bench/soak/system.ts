import { createClient } from '@belfry/client'
import { type BelfryProcess, makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { type Caller, signUp } from '../../proof/caller.ts'
import { type Mix, openMix, runClosed } from './load.ts'

/** The least that Belfry stores executions for. */
export const retentionMs = 7 * 86_400_000
/** The share of the measured throughput at which the soak runs. */
export const soakShare = 0.5
/** Crons on every second: a load of their own, and the runs whose lateness is read. */
export const cronCount = 50
/** Callers that each wait for their answer, while the throughput is measured and the data of a week ago is made. */
export const callers = 256
/** How long a start may take, milliseconds. */
export const deadlineMs = 120_000

/** All that is stored for some time is stored for a week, so that a week later as much goes as comes. */
export const env = {
  BELFRY_RETENTION_EXECUTIONS: '7d',
  BELFRY_RETENTION_LOGS: '7d',
  BELFRY_RETENTION_AUDIT: '7d',
  BELFRY_JOB_REQUEST_KEEP_MS: String(retentionMs),
  BELFRY_RETENTION_COPY_MARGIN_MS: '60000',
  // Every five seconds instead of ten minutes: half an hour has as many turns as some days have.
  BELFRY_EXECUTOR_PURGE_MS: '5000',
  BELFRY_JOB_PURGE_MS: '5000',
  BELFRY_SCHEDULER_PURGE_MS: '5000',
  BELFRY_AUDIT_PURGE_MS: '5000',
}

/** The user of the load, and the owner of the crons. */
export const names = { user: 'soak-user', prober: 'soak-prober' }
const password = 'correct horse battery'

/** A client that logs in again by itself: a soak lasts longer than a token. */
const openUser = (url: string) =>
  createClient({ url, login: { username: names.user, password }, retry: { maxRetries: 20 } })

/** A mix of calls of a user that exists. */
export async function loadOf(belfry: BelfryProcess, now: () => number): Promise<Mix> {
  await signUp(belfry.url, names.user)
  return openMix(openUser(belfry.url), now)
}

/** Makes crons on every second; resolves to their ids. */
export async function makeCrons(user: Caller): Promise<string[]> {
  const ids: string[] = []
  const body = { jobType: 'DUMMY', params: { durationMs: 0 }, schedule: '* * * * * *' }
  for (let made = 0; made < cronCount; made++) {
    const created = await user.call<{ id: string }>('POST', '/jobs', body)
    if (created.status !== 201) throw new Error(`create: ${created.status}`)
    ids.push(created.body.id)
  }
  return ids
}

/** Deletes crons. The token of `user` must be a new one: one from before 15 minutes of load has expired. */
export async function removeCrons(user: Caller, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const { status } = await user.call('DELETE', `/jobs/${id}`)
    if (status !== 200 && status !== 202) throw new Error(`delete: ${status}`)
  }
}

/** Calls a second that a Belfry answers with nothing else to do. */
export async function measureThroughput(seconds: number): Promise<number> {
  const folder = await makeDataDir()
  const belfry = await startBelfry(folder.path, { deadlineMs })
  try {
    const mix = await loadOf(belfry, Date.now)
    await runClosed(mix, callers, Math.min(5, seconds))
    const rate = await runClosed(mix, callers, seconds)
    if (mix.count.failed > 0) throw new Error(`${mix.count.failed} calls failed: ${mix.count.firstFailure}`)
    return rate
  } finally {
    await belfry.stop()
    await folder.remove()
  }
}
