import type { AttemptRecord, ExecutionPolicy, ExecutionState } from '@belfry/contracts'
import { type Execution, hasLargeParams, type ReadyPool, unreadParams } from '../executions/execution.ts'

/** What its command decided: the text that is written once for each version. */
type Command = Pick<
  Execution,
  'jobId' | 'ownerId' | 'jobType' | 'version' | 'cause' | 'params' | 'expiresAt' | 'fireAt' | 'arrival' | 'retryOf'
>

/** The same as it is stored: without params when they are large. */
type StoredCommand = Omit<Command, 'params'> & { readonly params: Command['params'] | undefined }

const policyTexts = new WeakMap<ExecutionPolicy, string>()

/** A version's policy is one object for all its commands of a batch, and half of what there is to write. */
function policyText(policy: ExecutionPolicy): string {
  const known = policyTexts.get(policy)
  if (known !== undefined) return known
  const text = JSON.stringify(policy)
  policyTexts.set(policy, text)
  return text
}

/** The text of large params, which are stored apart from the command; null for others. */
export function largeParamsText(execution: Execution): string | null {
  return hasLargeParams(execution) ? JSON.stringify(execution.params) : null
}

/** The text of what a version's command decided, with its policy. */
export function commandText(execution: Execution): string {
  const params = hasLargeParams(execution) ? undefined : execution.params
  const { jobId, ownerId, jobType, version, cause, expiresAt, fireAt, arrival, retryOf } = execution
  const command: StoredCommand = {
    jobId,
    ownerId,
    jobType,
    version,
    cause,
    params,
    expiresAt,
    fireAt,
    arrival,
    retryOf,
  }
  const text = JSON.stringify(command)
  return `{"policy":${policyText(execution.policy)},${text.slice(1)}`
}

/** What an execution has come to so far, but for what stands in fields of its own. The attempt at work stands there too. */
type Outcome = Pick<
  Execution,
  'attempts' | 'inDoubt' | 'failures' | 'losses' | 'blockedBy' | 'result' | 'error' | 'artifacts' | 'endedAt'
>

const noOutcome: Outcome = {
  attempts: [],
  inDoubt: [],
  failures: 0,
  losses: 0,
  blockedBy: null,
  result: null,
  error: null,
  artifacts: [],
  endedAt: null,
}

/** The text of an execution that has come to nothing yet. */
export const emptyOutcomeText = JSON.stringify(noOutcome)

/** How many attempts have ended: the one at work is not written but made from the other fields. */
const endedCount = (execution: Execution) => execution.attempts.length - (execution.state === 'running' ? 1 : 0)

/** The text of what an execution has come to. */
export function outcomeText(execution: Execution): string {
  const { inDoubt, failures, losses, blockedBy, result, error, artifacts, endedAt } = execution
  const attempts = execution.attempts.slice(0, endedCount(execution))
  const outcome: Outcome = { attempts, inDoubt, failures, losses, blockedBy, result, error, artifacts, endedAt }
  return JSON.stringify(outcome)
}

function sameAttempts(a: Execution, b: Execution): boolean {
  const count = endedCount(a)
  if (count !== endedCount(b)) return false
  for (let i = 0; i < count; i++) if (a.attempts[i] !== b.attempts[i]) return false
  return true
}

/** Whether a change reaches the outcome at all; a claim does not. */
export function changesOutcome(from: Execution, to: Execution): boolean {
  return (
    from.endedAt !== to.endedAt ||
    from.failures !== to.failures ||
    from.losses !== to.losses ||
    from.inDoubt !== to.inDoubt ||
    from.blockedBy !== to.blockedBy ||
    from.result !== to.result ||
    from.error !== to.error ||
    from.artifacts !== to.artifacts ||
    !sameAttempts(from, to)
  )
}

/**
 * When an epoch in doubt was lost last: what the fence's list asks for. The clocks of several executors have recorded them, so
 * it need not be the newest epoch.
 */
export const doubtAt = ({ inDoubt }: Execution): number | null =>
  inDoubt.length === 0 ? null : Math.max(...inDoubt.map(({ lostAt }) => lostAt))

/** A record as it is stored: two texts, and what is queried in fields of its own. */
export interface ExecutionFields {
  readonly id: string
  readonly state: ExecutionState
  readonly pool: ReadyPool
  readonly priority: number
  readonly runAt: number
  readonly seq: number
  readonly epoch: number
  readonly owner: string | null
  /** Recorded start of the attempt at work. */
  readonly startedAt: number | null
  readonly cancelRequested: boolean
  /** Text of `commandText`. */
  readonly command: string
  /** Text of `outcomeText`; null as long as there is nothing to say. */
  readonly outcome: string | null
}

/** The record, without params that are stored apart. Throws when a text is not what was written. */
export function executionOf(fields: ExecutionFields): Execution {
  const { startedAt, command, outcome: outcomeJson, ...own } = fields
  const stored = JSON.parse(command) as StoredCommand & { policy: ExecutionPolicy }
  const outcome = outcomeJson === null ? noOutcome : (JSON.parse(outcomeJson) as Outcome)
  const { epoch, owner } = own
  const open: AttemptRecord = { epoch, executor: owner ?? '', startedAt, endedAt: null, outcome: null, error: null }
  return {
    ...stored,
    params: stored.params ?? unreadParams,
    ...outcome,
    attempts: own.state === 'running' ? [...outcome.attempts, open] : outcome.attempts,
    ...own,
  }
}
