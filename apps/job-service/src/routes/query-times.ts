import type { aheadTime, QueryTime } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import type { z } from 'zod'

type AheadTime = z.output<typeof aheadTime>

/** The moment that a query names, epoch milliseconds, by the clock of this service. */
export function momentOf(asked: QueryTime | AheadTime | undefined, clock: Clock): number | undefined {
  if (asked === undefined) return undefined
  if ('at' in asked) return asked.at
  return 'agoMs' in asked ? clock.now() - asked.agoMs : clock.now() + asked.inMs
}
