import type { ScheduleSpec } from '@belfry/contracts'
import { compileSchedule, type FireTimes } from '@belfry/time'
import type { Compile } from './firing.ts'

type Compiled = ReturnType<typeof compileSchedule>

/** What tells two cron schedules apart: the seed only where there may be an `H` slot to spread. */
function cacheKey({ cron, timezone }: ScheduleSpec & { kind: 'cron' }, seed: string): string {
  return `${cron}|${timezone}|${/h/i.test(cron) ? seed : ''}`
}

/**
 * Compiles schedules and keeps the crons among them, at most `limit`, the longest unused one going first. Jobs with the
 * same expression in the same zone share one.
 */
export function createCompiled(limit: number): Compile {
  const kept = new Map<string, Compiled>()
  return (schedule, seed): FireTimes | Extract<Compiled, { fault: unknown }> => {
    if (schedule.kind !== 'cron') return compileSchedule(schedule, seed)
    const key = cacheKey(schedule, seed)
    const compiled = kept.get(key) ?? compileSchedule(schedule, seed)
    kept.delete(key)
    kept.set(key, compiled)
    if (kept.size > limit) kept.delete(kept.keys().next().value as string)
    return compiled
  }
}
