import {
  executionStatusOf,
  type FenceReply,
  type InFlight,
  isRefusal,
  type JobChange,
  type Refusal,
} from '@belfry/contracts'
import { retryOnConflict } from '@belfry/service'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import type { Execution } from '../executions/execution.ts'
import { close, requestCancel } from '../executions/transitions.ts'
import type { CursorPage, OpenState, RowId, Stored, Stores } from '../store/ports.ts'
import {
  type Admission,
  type Applicant,
  applyChanges,
  closedAs,
  maxFloors,
  openAdmission,
  settled,
} from './admission.ts'

/** How long an epoch that was lost is listed as possibly in flight, milliseconds (docs/protocol.md step 2). */
const doubtMs = 3_600_000
/** Executions of the job that are read at once. */
const pageRows = 500
const mostRounds = 50

export interface Fenced {
  readonly reply: FenceReply
  /** Executions whose cancel is stored now: their attempts are aborted only after that, so that each is on the list. */
  readonly asked: readonly Stored[]
}

/** The job's executions of this state (null: ready and running), page by page. */
async function* openPages(
  { executions }: Stores,
  jobId: string,
  state: OpenState | null,
): AsyncGenerator<readonly Stored[]> {
  let after: RowId | null = null
  do {
    const page: CursorPage<Stored> = await executions.listOpen(jobId, state, after, pageRows)
    yield page.rows
    after = page.next
  } while (after !== null)
}

/** What is open matters only when floors must be joined, and hardly any job has that many. */
async function readApplicants(stores: Stores, { jobId, floors }: Admission, added: number): Promise<Applicant[]> {
  if (floors.length + added <= maxFloors) return []
  const pages = await Array.fromAsync(openPages(stores, jobId, null))
  return pages.flat().map((one) => one.execution)
}

/** Applies `change` to the job's stored admission until it counts; answers what it came to. */
async function changeAdmission<T extends Admission | Refusal>(
  { admissions }: Stores,
  jobId: string,
  step: 'fence' | 'settle',
  change: (from: Admission) => Promise<T> | T,
  at: number,
): Promise<T> {
  let answer: T | undefined
  await retryOnConflict([jobId], mostRounds, async (jobIds) => {
    const [stored] = await admissions.read(jobIds)
    const from = stored ?? openAdmission(jobId)
    const to = await change(from)
    const isDone = isRefusal(to) || to === from || (await admissions.compareAndSetMany(step, [{ from, to }], at))[0]
    if (isDone) answer = to
    return isDone ? [] : jobIds
  })
  if (answer === undefined) throw new Error(`the admission of ${jobId} changed faster than "${step}" could change it`)
  return answer
}

/** The newest version that cancels the job's running executions, 0 when none does: a deleted job is cancelled, too. */
export function cancelVersion(changes: readonly JobChange[]): number {
  const isCancel = ({ kind }: JobChange) => kind === 'cancel' || kind === 'delete'
  return Math.max(0, ...changes.filter(isCancel).map((one) => one.version))
}

function inFlight(execution: Execution, epoch: number): InFlight {
  return { executionId: execution.id, epoch, status: executionStatusOf(execution) }
}

/** Requests the cancel of a running execution that is older than the cancel. */
export function ask(execution: Execution, cancelled: number, at: number): Execution | Refusal {
  const mustEnd = execution.state === 'running' && execution.version < cancelled
  return mustEnd ? requestCancel(execution, at) : execution
}

/**
 * The fence (docs/protocol.md step 2). First the admission is written, so that nothing more of what is closed starts. After
 * that write the running executions of the job are read and listed, and every epoch that was lost within the last hour. By a
 * cancel or delete a cancel is requested of those that are older (docs/decisions/003). The cost does not grow with
 * what is ready: the same write marks the admission as unsettled, and `settlePage` ends the executions that are ready and
 * closed afterwards. Doing it again changes nothing.
 */
export async function fence(
  stores: Stores,
  jobId: string,
  changes: readonly JobChange[],
  at: number,
): Promise<Fenced | Refusal> {
  const admission = await changeAdmission<Admission | Refusal>(
    stores,
    jobId,
    'fence',
    async (from) => applyChanges(from, changes, await readApplicants(stores, from, changes.length)),
    at,
  )
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

/** The end of a ready execution that the admission closes; the same execution for all others. */
export function closeReady(execution: Execution, admission: Admission, at: number): Execution | Refusal {
  const by = execution.state === 'ready' ? closedAs(admission, execution) : null
  return by === null ? execution : close(execution, by, at)
}

/** What one page of a fenced job's ready executions came to. */
export interface SettledPage {
  /** Executions that have ended. */
  readonly closed: readonly Stored[]
  /** The cursor of the next page; null after the last one. */
  readonly next: RowId | null
}

/** Ends what the admission closes among the job's next ready executions after `after`. A running one is left alone. */
export async function settlePage(
  { executions }: Stores,
  admission: Admission,
  after: RowId | null,
  rows: number,
  at: number,
): Promise<SettledPage> {
  const page = await executions.listOpen(admission.jobId, 'ready', after, rows)
  const closed = changedOnes(
    await compareAndSet(executions, 'close', page.rows, (one) => closeReady(one, admission, at), at),
  )
  return { closed, next: page.next }
}

/** Takes the mark of the fence `mark` off the admission, unless a newer fence has put its own there. */
export async function unmark(stores: Stores, jobId: string, mark: number, at: number): Promise<void> {
  await changeAdmission(stores, jobId, 'settle', (from) => settled(from, mark), at)
}
