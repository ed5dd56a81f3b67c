import { isEnded, scheduledExecutionId } from '@belfry/contracts'
import { expect } from 'vitest'
import { eventually } from '../belfry-process.ts'
import type { Caller } from '../caller.ts'
import type { TargetCall } from '../target.ts'
import type { CrashState } from './crash-state.ts'
import { askAgain, type Entry, type Ledger } from './ledger.ts'

interface Execution {
  readonly id: string
  readonly status: string
  readonly fireAt: string
  readonly attempts: readonly { readonly outcome: string | null }[]
  readonly artifacts: readonly { readonly name: string }[]
}
interface List {
  readonly data: readonly Execution[]
  readonly page: { readonly nextCursor: string | null }
}

const openStatuses = ['SCHEDULED', 'RUNNING', 'RETRYING']

/** Everything that a restart is checked against: what users were answered, what the stores held, and which calls the target got. */
export interface Evidence {
  readonly user: Caller
  readonly ledger: Ledger
  /** What each process that died left behind, the oldest first. */
  readonly deaths: readonly CrashState[]
  readonly calls: readonly TargetCall[]
}

async function executionsOf(user: Caller, jobId: string): Promise<Execution[]> {
  const found: Execution[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const { body } = await user.call<List>('GET', `/jobs/${jobId}/executions?limit=200${query}`)
    found.push(...body.data)
    cursor = body.page.nextCursor
  }
  return found
}

/** The one execution of a job, once it has ended. */
async function endOf(user: Caller, jobId: string): Promise<Execution> {
  return eventually(`${jobId} to end`, async () => {
    const [execution, ...others] = await executionsOf(user, jobId)
    expect(others).toEqual([])
    return execution && !openStatuses.includes(execution.status) ? execution : undefined
  })
}

async function endOfTrigger(user: Caller, id: string): Promise<Execution> {
  return eventually(`${id} to end`, async () => {
    const { status, body } = await user.call<Execution>('GET', `/executions/${id}`)
    expect(status).toBe(200)
    return openStatuses.includes(body.status) ? undefined : body
  })
}

/** Who got no answer asks again, and is answered as if nothing had happened. */
async function repeatUnanswered({ user, ledger }: Evidence): Promise<void> {
  for (const entry of ledger.entries.filter(({ answer }) => !answer)) {
    await askAgain(user, entry)
    expect(entry.answer, `${entry.path} with the key of a request that was not answered`).not.toBeNull()
  }
}

/** One key for each thing that was asked for, and no attempt of it is made twice. */
function checkKeys({ calls, ledger }: Evidence): void {
  const attempts = calls.map(({ key, attempt }) => `${key} attempt ${attempt}`)
  expect(attempts.length - new Set(attempts).size, 'attempts that were made twice').toBe(0)
  for (const { purpose, targetPath } of ledger.entries) {
    if (purpose === 'every-second' || targetPath === null) continue
    const keys = new Set(calls.filter(({ path }) => path === targetPath).map(({ key }) => key))
    expect(keys.size, `keys of ${targetPath}`).toBeLessThanOrEqual(1)
  }
}

/** What had ended when a process died was not started again by the next. */
function checkFinished({ calls, deaths }: Evidence): void {
  for (const { executions } of deaths) {
    const again = calls.filter(({ key, attempt }) => {
      const left = executions.get(key)
      return left !== undefined && isEnded(left.state) && attempt > left.epoch
    })
    expect(again, 'calls of executions that had ended').toEqual([])
  }
}

/** How soon after the restart what was interrupted must be called again: at once, not after a lease of a minute. */
const againWithinMs = 5_000

/** What was running when a process died is called again with the same key. */
async function checkInterrupted({ calls, deaths }: Evidence): Promise<void> {
  for (const { executions } of deaths)
    for (const [id, { state, epoch }] of executions) {
      if (state !== 'running' || !calls.some(({ key }) => key === id)) continue
      await eventually(
        `${id} to run again`,
        async () => {
          return calls.some(({ key, attempt }) => key === id && attempt > epoch) || undefined
        },
        againWithinMs,
      )
    }
}

async function checkFailed({ user, calls }: Evidence, jobId: string): Promise<void> {
  const { id, status, attempts } = await endOf(user, jobId)
  const failed = attempts.filter(({ outcome }) => outcome === 'failed').length
  expect({ status, failed }).toEqual({ status: 'FAILED', failed: 3 })
  const reached = calls.filter(({ key }) => key === id).length
  expect(reached).toBeGreaterThanOrEqual(failed)
  expect(reached).toBeLessThanOrEqual(attempts.length)
  const { body } = await user.call<List>('GET', '/dead-letters')
  expect(body.data.filter((letter) => letter.id === id)).toHaveLength(1)
}

async function checkReport({ user }: Evidence, jobId: string): Promise<void> {
  const { id, status, artifacts } = await endOf(user, jobId)
  expect({ status, artifacts: artifacts.length }).toEqual({ status: 'SUCCESS', artifacts: 1 })
  const artifact = await user.call<string>('GET', `/executions/${id}/artifacts/${artifacts[0]?.name}`)
  expect(artifact.status).toBe(200)
  const logs = await user.call<{ data: unknown[] }>('GET', `/executions/${id}/logs`)
  expect(logs.body.data.length).toBeGreaterThan(0)
}

/** Every second since the job was made has one execution that has ended, up to two seconds after the restart. */
async function checkEverySecond({ user }: Evidence, { body, answer }: Entry): Promise<void> {
  const { id = '', createdAt } = answer ?? {}
  const { policy } = ((body as Record<string, unknown>).overlap ?? {}) as { readonly policy?: string }
  const ends = policy === 'cancel-running' ? ['SUCCESS', 'SKIPPED', 'CANCELLED'] : ['SUCCESS', 'SKIPPED']
  const until = Date.now() + 2000
  const first = Math.floor(Date.parse(String(createdAt)) / 1000) * 1000 + 1000
  const wanted = Array.from({ length: Math.floor((until - first) / 1000) + 1 }, (_, n) => first + n * 1000)
  await eventually(`every second of ${id} up to ${new Date(until).toISOString()}`, async () => {
    const executions = await executionsOf(user, id)
    const ended = executions.filter(({ status }) => ends.includes(status))
    const fireTimes = new Set(ended.map(({ fireAt }) => Date.parse(fireAt)))
    expect(fireTimes.size, 'executions of the same second').toBe(ended.length)
    return wanted.every((at) => fireTimes.has(at)) || undefined
  })
}

/** After a 200 nothing starts that the answer did not list. */
function checkCancels({ calls, ledger }: Evidence): void {
  for (const { jobId, answeredAt, inFlight } of ledger.cancels) {
    const late = calls.filter((call) => call.jobId === jobId && call.at > answeredAt && !inFlight.includes(call.key))
    expect(late, 'calls of a cancelled job').toEqual([])
  }
}

async function checkEntry(evidence: Evidence, entry: Entry): Promise<void> {
  const { purpose, path, answer, targetPath } = entry
  const { user, calls, ledger } = evidence
  if (!answer) throw new Error(`${path} was never answered`)
  const isTrigger = path.endsWith('/trigger') || path === '/triggers/batch'
  if (isTrigger || purpose === 'once' || purpose === 'hold') {
    const { id, status } = await (isTrigger ? endOfTrigger(user, answer.id) : endOf(user, answer.id))
    expect({ targetPath, status }).toEqual({ targetPath, status: 'SUCCESS' })
    expect(calls.filter(({ key }) => key === id).length, `calls of ${targetPath}`).toBeGreaterThan(0)
  }
  if (purpose === 'fails') await checkFailed(evidence, answer.id)
  if (purpose === 'expires') expect((await endOf(user, answer.id)).status).toBe('EXPIRED')
  if (purpose === 'report') await checkReport(evidence, answer.id)
  if (purpose === 'every-second') await checkEverySecond(evidence, entry)
  if (purpose === 'cancelled' && ledger.cancels.some(({ jobId }) => jobId === answer.id)) {
    const { body } = await user.call<{ status: string }>('GET', `/jobs/${answer.id}/status`)
    expect(body.status).toBe('CANCELLED')
  }
}

/** Nothing that was answered 2xx is lost, nothing that had finished runs again, what was interrupted does. */
export async function checkAll(evidence: Evidence): Promise<void> {
  await checkInterrupted(evidence)
  await repeatUnanswered(evidence)
  await Promise.all(evidence.ledger.entries.map((entry) => checkEntry(evidence, entry)))
  checkFinished(evidence)
  checkKeys(evidence)
  checkCancels(evidence)
}

/** Each of these jobs has one execution, which has succeeded in its first attempt that started. */
export async function checkSuccessOnce(user: Caller, jobIds: readonly string[]): Promise<void> {
  for (const id of jobIds) {
    const { status, attempts } = await endOf(user, id)
    expect({ status, outcomes: attempts.map(({ outcome }) => outcome) }).toEqual({
      status: 'SUCCESS',
      outcomes: ['succeeded'],
    })
  }
}

/** Each second up to the last call has one execution or lies in one range of the fire log, and the log holds some. */
export function checkEverySecondOnce(
  { id, createdAt }: { id: string; createdAt: string },
  calls: readonly TargetCall[],
  { executions, fireLog }: CrashState,
): void {
  const ranges = fireLog.filter(({ jobId }) => jobId === id)
  expect(ranges.length).toBeGreaterThan(0)
  for (const { from, to, count } of ranges) expect((to - from) / 1000 + 1).toBe(count)
  const first = Math.floor(Date.parse(createdAt) / 1000) * 1000 + 1000
  for (let at = first; at <= Math.max(...calls.map(({ fireAt }) => fireAt)); at += 1000) {
    const run = executions.has(scheduledExecutionId(id, at)) ? 1 : 0
    const logged = ranges.filter(({ from, to }) => from <= at && at <= to).length
    expect({ at, outcomes: run + logged }).toEqual({ at, outcomes: 1 })
  }
}
