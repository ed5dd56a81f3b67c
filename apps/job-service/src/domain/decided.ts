import type { ScheduleRunsReply } from '@belfry/contracts'
import type { Job } from './job.ts'

/** How far the schedule of a job has come in the scheduler. */
export type ScheduleRuns = ScheduleRunsReply['data'][number]

/** What the scheduler says about a fire time: it may still issue it, it is handing it over, or it is done with it. */
export type Decision = 'undecided' | 'pending' | 'decided'

/**
 * What the scheduler has decided on the fire times of a job (docs/protocol.md steps 5 and 6). It issues none at or after its next fire time,
 * and none after a change that it has not applied, before it has decided on it. `runs`: undefined where it does not know the job yet, of
 * which it issues no fire time up to the creation.
 */
export function decisionsOf(
  job: Pick<Job, 'createdAt' | 'changedAt' | 'changes'>,
  runs: ScheduleRuns | undefined,
): (fireAt: number) => Decision {
  if (!runs) return (fireAt) => (fireAt > job.createdAt ? 'undecided' : 'decided')
  const { version, nextFireAt, pending } = runs
  const nextChange = job.changes.find((change) => change.version > version)
  const changedAt = nextChange?.changedAt ?? Number.POSITIVE_INFINITY
  const firstOpen = nextFireAt ?? Number.POSITIVE_INFINITY
  return (fireAt) => {
    if (pending.includes(fireAt)) return 'pending'
    return fireAt >= firstOpen || fireAt > changedAt ? 'undecided' : 'decided'
  }
}
