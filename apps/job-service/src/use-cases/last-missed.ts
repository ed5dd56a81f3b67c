import type { FireLogReply } from '@belfry/contracts'
import type { Clock, Logger } from '@belfry/service'
import { LRUCache } from 'lru-cache'
import type { Scheduler } from '../clients/scheduler.ts'
import type { StoredJob } from '../store/ports.ts'

/** The newest fire times of a job that were missed; null where none is known. */
export type LastMissed = (job: Pick<StoredJob, 'id' | 'spec'>) => Promise<FireLogReply['data'][number] | null>

export interface LastMissedOptions {
  readonly scheduler: Pick<Scheduler, 'lastMissed'>
  readonly clock: Pick<Clock, 'monotonic'>
  readonly log: Logger
  /** How long an answer of the scheduler holds, milliseconds, and how many are cached. */
  readonly holdsMs: number
  readonly held: number
}

/** Asks the scheduler, which alone knows it. A status that is polled costs one call in a while; without the scheduler it has none. */
export function createLastMissed({ scheduler, clock, log, holdsMs, held }: LastMissedOptions): LastMissed {
  type Answer = { readonly missed: Awaited<ReturnType<LastMissed>>; readonly until: number }
  const answers = new LRUCache<string, Answer>({ max: held })
  return async ({ id, spec }) => {
    if (spec.schedule.kind === 'manual') return null
    const known = answers.get(id)
    if (known && clock.monotonic() < known.until) return known.missed
    try {
      const missed = await scheduler.lastMissed(id)
      answers.set(id, { missed, until: clock.monotonic() + holdsMs })
      return missed
    } catch (err) {
      log.warn({ err, jobId: id }, 'the scheduler did not say which fire times of a job were missed')
      return known?.missed ?? null
    }
  }
}
