import type { Collection } from '@belfry/storage/mongo'
import { recordedStart } from '../../executions/execution.ts'
import { changesOutcome } from '../execution-text.ts'
import type { ExecutionUpdate } from '../ports.ts'
import { idOf } from './execution-record.ts'
import { runningKey } from './keys.ts'
import type { ExecutionRecord } from './records.ts'

/** Whether a change is a claim and nothing else, so that it is the same for all records of a batch but for their ids. */
export function isPlainClaim({ from, to }: ExecutionUpdate): boolean {
  return (
    from.state === 'ready' &&
    to.state === 'running' &&
    to.seq === from.seq + 1 &&
    to.epoch === from.epoch + 1 &&
    to.version === from.version &&
    to.runAt === from.runAt &&
    to.pool === from.pool &&
    from.expiresAt === null &&
    to.cancelRequested === from.cancelRequested &&
    recordedStart(to) === null &&
    !changesOutcome(from, to)
  )
}

/** Claims that differ in nothing but their records, and the place of each in the batch. */
interface AlikeClaims {
  readonly updates: readonly ExecutionUpdate[]
  readonly indexes: readonly number[]
}

/** The claims in groups of one `seq`, epoch and new owner. */
export function alikeClaims(updates: readonly ExecutionUpdate[], indexes: readonly number[]): AlikeClaims[] {
  const groups = new Map<string, { updates: ExecutionUpdate[]; indexes: number[] }>()
  for (const [at, update] of updates.entries()) {
    const { from, to } = update
    const key = `${from.seq} ${from.epoch} ${to.owner}`
    const group = groups.get(key) ?? { updates: [], indexes: [] }
    group.updates.push(update)
    group.indexes.push(indexes[at] ?? at)
    groups.set(key, group)
  }
  return [...groups.values()]
}

/**
 * Claims of one group in one command, each with a change number of its own from `firstNo` on. One command for all of
 * them costs less than half of one operation for each (decision 027).
 */
export function claimAlike(
  executions: Collection<ExecutionRecord>,
  { updates }: AlikeClaims,
  at: number,
  firstNo: number,
): Promise<readonly boolean[]> {
  const [sample] = updates
  if (!sample) return Promise.resolve([])
  const { from, to } = sample
  const owner = to.owner ?? ''
  const ids = updates.map(({ rowId }) => idOf(rowId))
  const $set = {
    state: 'running',
    seq: to.seq,
    epoch: to.epoch,
    owner: { $literal: owner },
    startedAt: null,
    changedAt: at,
    unpublishedAt: at,
    changeNo: { $add: [firstNo, { $indexOfArray: [{ $literal: ids }, '$_id'] }] },
    phase: { $concat: [{ $literal: runningKey(owner, '') }, '$_id'] },
    runningOf: '$openOf',
  }
  return executions.compareAndSetAlike('executions.claim', ids, { seq: from.seq, epoch: from.epoch, state: 'ready' }, [
    { $set },
  ])
}
