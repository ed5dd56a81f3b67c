import { missedEvent } from '../domain/job-event.ts'
import type { JobContext } from '../use-cases/context.ts'

export interface TakeMissedOptions {
  /** Ranges of one page. */
  readonly rows: number
  /** How far the clocks of schedulers may differ, and their writes be late, milliseconds. */
  readonly settleMs: number
  readonly takesTurn: () => boolean
}

/** The moment up to which all missed fire times have been taken, by the schedulers' clock. */
const cursorName = 'missed fire times'

/**
 * One iteration of taking over what the schedulers have missed since the position, as events. The position stays behind by `settleMs`, so what
 * is younger is read again: an event is stored once. What was missed before the first iteration on a store is not reported.
 */
export function createTakeMissed(
  { stores, scheduler, clock }: Pick<JobContext, 'stores' | 'scheduler' | 'clock'>,
  { rows, settleMs, takesTurn }: TakeMissedOptions,
): () => Promise<void> {
  const { cursors, events } = stores
  return async () => {
    if (!takesTurn()) return
    const stored = await cursors.read(cursorName)
    let after = { at: stored === 0 ? clock.now() - settleMs : stored, id: '' }
    const begin = after.at
    for (;;) {
      const { data, now } = await scheduler.missed(after, rows)
      const seenAt = clock.now()
      if (data.length > 0)
        await events.insertManyIfAbsent(data.map(({ jobId, at, id, ...range }) => missedEvent(jobId, range, seenAt)))
      const last = data.at(-1)
      if (last) after = { at: last.at, id: last.id }
      if (data.length < rows) {
        const settled = Math.max(begin, now - settleMs)
        if (settled !== stored) await cursors.write(cursorName, settled)
        return
      }
    }
  }
}
