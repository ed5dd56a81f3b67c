import { isEnded } from '@belfry/contracts'
import type { AdmissionSummary, EndedExecution, LogChunkSummary } from '../store/ports.ts'

/** How long what has ended is kept, milliseconds. */
export interface Keep {
  readonly executionsMs: number
  readonly logsMs: number
}

/** What was last touched before these moments (epoch milliseconds) has been kept for long enough. */
export interface Horizon {
  readonly executions: number
  readonly logs: number
}

const dayMs = 86_400_000

/**
 * A command planned before this moment (epoch milliseconds) may be the echo of an execution that was cleared away, and is
 * stored as expired (docs/protocol.md step 8): one day before the execution itself may go.
 */
export function oldestPlannedAt(now: number, retentionMs: number): number {
  return now - retentionMs + dayMs
}

/** Logs go with their execution at the latest. */
export function horizonOf(now: number, { executionsMs, logsMs }: Keep): Horizon {
  return { executions: now - executionsMs, logs: now - Math.min(logsMs, executionsMs) }
}

/**
 * Whether an execution may go, with all that belongs to it (docs/protocol.md step 15): it has ended, its newest state is published, and
 * nothing changed since the horizon. Its command was planned before it ended, so a repetition of it is older than the
 * retention too, and is stored as expired (step 8).
 */
export function mayGo({ state, changedAt, isPublished }: EndedExecution, horizon: Horizon): boolean {
  return isEnded(state) && isPublished && changedAt < horizon.executions
}

/** Whether a part of a log may go: its execution ended so long ago, however old the line is, or has been purged. */
export function mayLoseLog({ at, execution }: LogChunkSummary, horizon: Horizon): boolean {
  if (execution === null) return at < horizon.logs
  return isEnded(execution.state) && execution.changedAt < horizon.logs
}

/**
 * Whether an admission may be forgotten, unless something of its job is ready or running (it may hold a place). It must
 * outlive every command that it closes. Commands planned before its last change are stored as expired by now; a scheduler
 * that has not applied the change plans newer ones, but each of them was closed, and that counts as needed.
 */
export function mayForget({ neededAt }: AdmissionSummary, horizon: Horizon): boolean {
  return neededAt < horizon.executions
}
