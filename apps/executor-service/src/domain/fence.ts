import {
  executionStatusOf,
  type FenceReply,
  type InFlight,
  isRefusal,
  type JobChange,
  type Refusal,
} from '@belfry/contracts'
import { type Admission, type Applicant, applyChanges, closedAs, maxFloors, openAdmission } from './admission.ts'
import { change, changedOnes } from './change.ts'
import { close } from './claim.ts'
import type { Execution } from './execution.ts'
import { requestCancel } from './finish.ts'
import type { Stored, Stores } from './ports.ts'

/** How long an epoch that was lost is listed as possibly in flight, milliseconds (protocol.md step 2). */
const doubtMs = 3_600_000
/** Executions of the job that are read at once. */
const pageRows = 500
const mostRounds = 50

export interface Fenced {
  readonly reply: FenceReply
  /** Runs that were asked to end: told so only now, so that each is on the list. */
  readonly asked: readonly Stored[]
}

/** The job's executions that are ready or running, page by page. */
async function* openPages({ executions }: Stores, jobId: string): AsyncGenerator<readonly Stored[]> {
  let after = 0
  for (;;) {
    const page = await executions.openOf(jobId, after, pageRows)
    yield page
    if (page.length < pageRows) return
    after = page.at(-1)?.handle ?? 0
  }
}

/** What is open matters only when floors must be joined, and hardly any job has that many. */
async function readApplicants(stores: Stores, { jobId, floors }: Admission, added: number): Promise<Applicant[]> {
  if (floors.length + added <= maxFloors) return []
  const pages = await Array.fromAsync(openPages(stores, jobId))
  return pages.flat().map((one) => one.execution)
}

async function writeAdmission(
  stores: Stores,
  jobId: string,
  changes: readonly JobChange[],
  at: number,
): Promise<Admission | Refusal> {
  for (let round = 0; round < mostRounds; round++) {
    const [stored] = await stores.admissions.read([jobId])
    const from = stored ?? openAdmission(jobId)
    const to = applyChanges(from, changes, await readApplicants(stores, from, changes.length))
    if (isRefusal(to) || to === from) return to
    const [isCounted] = await stores.admissions.put('fence', [{ from, to }], at)
    if (isCounted) return to
  }
  throw new Error(`the admission of ${jobId} changed faster than the fence could`)
}

/** The newest version by which the job's runs were told to end, 0 when none was. */
function cancelVersion(changes: readonly JobChange[]): number {
  return Math.max(0, ...changes.filter((one) => one.kind === 'cancel').map((one) => one.version))
}

/** Ends what waits and is closed now; asks what runs to end when the job was cancelled. */
function settle(execution: Execution, admission: Admission, cancelled: number, at: number): Execution | Refusal {
  if (execution.state === 'ready') {
    const by = closedAs(admission, execution)
    return by === null ? execution : close(execution, by, at)
  }
  const mustEnd = execution.state === 'running' && execution.version < cancelled
  return mustEnd ? requestCancel(execution, at) : execution
}

function inFlight(execution: Execution, epoch: number): InFlight {
  return { executionId: execution.id, epoch, status: executionStatusOf(execution) }
}

/** Every epoch of the job that may be at work: it runs, or was lost within the last hour. */
async function readInFlight(stores: Stores, jobId: string, at: number): Promise<InFlight[]> {
  const listed: InFlight[] = []
  for await (const page of openPages(stores, jobId)) {
    const running = page.filter(({ execution }) => execution.state === 'running')
    listed.push(...running.map(({ execution }) => inFlight(execution, execution.epoch)))
  }
  const since = at - doubtMs
  for (const { execution } of await stores.executions.doubtfulOf(jobId, since)) {
    const doubtful = execution.inDoubt.filter((one) => one.lostAt >= since)
    listed.push(...doubtful.map((one) => inFlight(execution, one.epoch)))
  }
  return listed
}

/**
 * The fence (protocol.md step 2). First the admission is written, so that nothing more of what is closed starts; then what
 * waits is settled; and only after that the list is read of what may be at work already. What a cancel finds running
 * it asks to end (docs/decisions, "a cancel reaches running runs"). Doing it again changes nothing. `onClosed` gets what
 * was closed, a page at a time: a job may have very many executions, and what fails later undoes none of it.
 */
export async function fence(
  stores: Stores,
  jobId: string,
  changes: readonly JobChange[],
  at: number,
  onClosed: (closed: readonly Stored[]) => void,
): Promise<Fenced | Refusal> {
  const admission = await writeAdmission(stores, jobId, changes, at)
  if (isRefusal(admission)) return admission
  const cancelled = cancelVersion(changes)
  const asked: Stored[] = []
  for await (const page of openPages(stores, jobId)) {
    const decide = (one: Execution) => settle(one, admission, cancelled, at)
    const changed = changedOnes(await change(stores.executions, 'close', page, decide, at))
    asked.push(...changed.filter(({ execution }) => execution.state === 'running'))
    onClosed(changed.filter(({ execution }) => execution.state !== 'running'))
  }
  const fencedVersion = Math.max(...changes.map((one) => one.version))
  return { reply: { fencedVersion, inFlight: await readInFlight(stores, jobId, at) }, asked }
}
