import { compileSchedule } from '@belfry/time'
import { createRandom } from '../random.ts'
import type { FuzzTarget } from './campaign.ts'
import { cronText, mutateText, zoneText } from './cron-texts.ts'

export interface CronInput {
  readonly cron: string
  readonly timezone: string
  readonly fromMs: number
}

/** CPU that reading an expression and finding its next times may take, milliseconds. */
const cpuMs = 5
/** From 1970 to 2100. */
const latestMs = Date.UTC(2100, 0, 1)

/** Cron expressions and zones at libs/time: compiled, and asked for the next times and the last one. */
export const cronTarget: FuzzTarget<CronInput> = {
  name: 'cron',
  cpuMs,
  draw(seed) {
    const random = createRandom(seed)
    const [cron, timezone] = [cronText(random), zoneText(random)]
    return {
      cron: random.fraction() < 0.5 ? cron : mutateText(cron, random),
      timezone: random.fraction() < 0.9 ? timezone : mutateText(timezone, random),
      fromMs: random.between(0, latestMs),
    }
  },
  run({ cron, timezone, fromMs }) {
    const times = compileSchedule({ kind: 'cron', cron, timezone }, 'job-1')
    if ('issue' in times) return undefined
    const untilMs = fromMs + 366 * 86_400_000
    const count = times.count(fromMs, untilMs)
    const last = times.last(fromMs, untilMs)
    if (last === null ? count > 0 : last < fromMs || last > untilMs) return `the last of ${count} times is ${last}`
    let after = fromMs
    for (let left = 5; left > 0; left--) {
      const next = times.next(after)
      if (next === null) return undefined
      if (!Number.isSafeInteger(next) || next <= after) return `the time after ${after} is ${next}`
      after = next
    }
    return undefined
  },
}
