import type { JobStatusMessage } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { eventsIn } from '../domain/job-event.ts'
import type { Stores } from '../store/ports.ts'

/**
 * Stores the events of a batch of job-status messages, before the statuses themselves: a message counts as taken, and a comparison
 * finds nothing to copy, only once both are stored, so a crash between the two loses no event. A batch without an execution that went wrong
 * stores nothing.
 */
export async function recordEvents(
  { stores, clock }: { readonly stores: Pick<Stores, 'events'>; readonly clock: Pick<Clock, 'now'> },
  messages: readonly JobStatusMessage[],
): Promise<void> {
  const events = eventsIn(messages, clock.now())
  if (events.length > 0) await stores.events.insertManyIfAbsent(events)
}
