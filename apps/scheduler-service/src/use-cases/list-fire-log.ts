import type { Clock } from '@belfry/service'
import type { Compile } from '../domain/advance.ts'
import { runningPause } from '../domain/running-pause.ts'
import type { FireRange } from '../domain/schedule-record.ts'
import type { FireLogPage, FireLogStore, ScheduleStore } from '../store/ports.ts'

export interface ListFireLogOptions {
  readonly schedules: ScheduleStore
  readonly fireLog: FireLogStore
  readonly compile: Compile
  readonly clock: Clock
}

/** The ranges of a job, newest first; while the job is paused, the first one is the pause as far as it has come. */
export type ListFireLog = (jobId: string, page: FireLogPage) => Promise<readonly FireRange[]>

export function createListFireLog({ schedules, fireLog, compile, clock }: ListFireLogOptions): ListFireLog {
  async function findPause(jobId: string): Promise<FireRange | null> {
    const [row] = await schedules.readMany([jobId], Number.MAX_SAFE_INTEGER)
    if (!row || 'unreadable' in row) return null
    const times = compile(row.record.spec.schedule, jobId)
    return 'issue' in times ? null : runningPause(row.record, times, clock.now())
  }

  const isAsked = ({ from, to, decision }: FireRange, page: FireLogPage) =>
    to >= (page.from ?? 0) && from <= (page.to ?? from) && decision === (page.decision ?? decision)

  return async (jobId, page) => {
    // The pause is newer than all that is logged, so it stands on the first page.
    const pause = page.after ? null : await findPause(jobId)
    const logged = await fireLog.listOfJob(jobId, page)
    if (!pause || !isAsked(pause, page)) return logged
    // The resume may have logged it between the two reads.
    const others = logged.filter(({ from, decision }) => from !== pause.from || decision !== pause.decision)
    return [pause, ...others].slice(0, page.limit)
  }
}
