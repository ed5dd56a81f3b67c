import {
  executionStatusOf,
  type FenceReply,
  type InFlight,
  isRefusal,
  type JobChange,
  type Refusal,
} from '@belfry/contracts'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import type { Execution } from '../executions/execution.ts'
import { close, requestCancel } from '../executions/transitions.ts'
import type { OpenState, RowId, Stored, Stores } from '../store/ports.ts'
import {
  type Admission,
  type Applicant,
  applyChanges,
  closedAs,
  maxFloors,
  openAdmission,
  settled,
} from './admission.ts'

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

/** The job's executions of this state (null: ready and running), page by page. */
async function* openPages(
  { executions }: Stores,
  jobId: string,
  state: OpenState | null,
): AsyncGenerator<readonly Stored[]> {
  let after = 0
  for (;;) {
    const page = await executions.listOpen(jobId, state, after, pageRows)
    yield page
    if (page.length < pageRows) return
    after = page.at(-1)?.rowId ?? 0
  }
}

/** What is open matters only when floors must be joined, and hardly any job has that many. */
async function readApplicants(stores: Stores, { jobId, floors }: Admission, added: number): Promise<Applicant[]> {
  if (floors.length + added <= maxFloors) return []
  const pages = await Array.fromAsync(openPages(stores, jobId, null))
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
    const [isCounted] = await stores.admissions.compareAndSetMany('fence', [{ from, to }], at)
    if (isCounted) return to
  }
  throw new Error(`the admission of ${jobId} changed faster than the fence could`)
}

/** The newest version by which the job's runs were told to end, 0 when none was. */
function cancelVersion(changes: readonly JobChange[]): number {
  return Math.max(0, ...changes.filter((one) => one.kind === 'cancel').map((one) => one.version))
}

function inFlight(execution: Execution, epoch: number): InFlight {
  return { executionId: execution.id, epoch, status: executionStatusOf(execution) }
}

/** Asks to end what runs and is older than the cancel. */
function ask(execution: Execution, cancelled: number, at: number): Execution | Refusal {
  const mustEnd = execution.state === 'running' && execution.version < cancelled
  return mustEnd ? requestCancel(execution, at) : execution
}

/**
 * The fence (protocol.md step 2). First the admission is written, so that nothing more of what is closed starts. After
 * that write the runs of the job are read and listed, and every epoch that was lost within the last hour. What a cancel
 * finds running it asks to end (docs/decisions, "a cancel reaches running runs"). The cost does not grow with what waits:
 * the same write marks the admission as unsettled, and `settlePage` ends the executions that are ready and closed
 * afterwards. Doing it again changes nothing.
 */
export async function fence(
  stores: Stores,
  jobId: string,
  changes: readonly JobChange[],
  at: number,
): Promise<Fenced | Refusal> {
  const admission = await writeAdmission(stores, jobId, changes, at)
  if (isRefusal(admission)) return admission
  const cancelled = cancelVersion(changes)
  const listed: InFlight[] = []
  const asked: Stored[] = []
  for await (const page of openPages(stores, jobId, 'running')) {
    listed.push(...page.map(({ execution }) => inFlight(execution, execution.epoch)))
    const changed = await compareAndSet(stores.executions, 'close', page, (one) => ask(one, cancelled, at), at)
    asked.push(...changedOnes(changed))
  }
  const since = at - doubtMs
  for (const { execution } of await stores.executions.listInDoubt(jobId, since)) {
    const doubtful = execution.inDoubt.filter((one) => one.lostAt >= since)
    listed.push(...doubtful.map((one) => inFlight(execution, one.epoch)))
  }
  const fencedVersion = Math.max(...changes.map((one) => one.version))
  return { reply: { fencedVersion, inFlight: listed }, asked }
}

function closeReady(execution: Execution, admission: Admission, at: number): Execution | Refusal {
  const by = execution.state === 'ready' ? closedAs(admission, execution) : null
  return by === null ? execution : close(execution, by, at)
}

/** What one page of a fenced job's ready executions came to. */
export interface SettledPage {
  /** Executions that have ended. */
  readonly closed: readonly Stored[]
  /** Where the next page begins; null after the last one. */
  readonly after: RowId | null
}

/** Ends what the admission closes among the job's next ready executions after `after`. What runs is left alone. */
export async function settlePage(
  { executions }: Stores,
  admission: Admission,
  after: RowId,
  rows: number,
  at: number,
): Promise<SettledPage> {
  const page = await executions.listOpen(admission.jobId, 'ready', after, rows)
  const closed = changedOnes(
    await compareAndSet(executions, 'close', page, (one) => closeReady(one, admission, at), at),
  )
  return { closed, after: page.length < rows ? null : (page.at(-1)?.rowId ?? null) }
}

/** Takes the mark of the fence `mark` off the admission, unless a newer fence has put its own there. */
export async function unmark({ admissions }: Stores, jobId: string, mark: number, at: number): Promise<void> {
  for (let round = 0; round < mostRounds; round++) {
    const [from] = await admissions.read([jobId])
    const to = from && settled(from, mark)
    if (!from || !to || to === from) return
    const [isCounted] = await admissions.compareAndSetMany('settle', [{ from, to }], at)
    if (isCounted) return
  }
  throw new Error(`the admission of ${jobId} changed faster than it could be marked as settled`)
}
