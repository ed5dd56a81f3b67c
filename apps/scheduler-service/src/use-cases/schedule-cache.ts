import type { ScheduleSpec } from '@belfry/contracts'
import { compileSchedule, compileWithoutWindow, inWindow } from '@belfry/time'
import { LRUCache } from 'lru-cache'
import type { Compile } from '../domain/advance.ts'

/** What tells two cron schedules apart: the seed only where there may be an `H` slot to spread. */
function cacheKey({ cron, timezone }: ScheduleSpec & { kind: 'cron' }, seed: string): string {
  return `${cron}|${timezone}|${/h/i.test(cron) ? seed : ''}`
}

/**
 * Compiles schedules and caches at most `limit` crons. Jobs with the same expression in the same zone share one, whatever their
 * windows are.
 */
export function createScheduleCache(limit: number): Compile {
  const cache = new LRUCache<string, ReturnType<Compile>>({ max: limit })
  function compileCron(schedule: ScheduleSpec & { kind: 'cron' }, seed: string): ReturnType<Compile> {
    const key = cacheKey(schedule, seed)
    const known = cache.get(key)
    if (known) return known
    const compiled = compileWithoutWindow(schedule, seed)
    cache.set(key, compiled)
    return compiled
  }
  return (schedule, seed) => {
    if (schedule.kind !== 'cron') return compileSchedule(schedule, seed)
    const compiled = compileCron(schedule, seed)
    return 'issue' in compiled ? compiled : inWindow(compiled, schedule, seed)
  }
}
