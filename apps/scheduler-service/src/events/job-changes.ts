import type { BatchHandler } from '@belfry/bus'
import type { Hearing } from '../domain/hearing.ts'

/** Takes over changes of jobs; resolves when they are stored. What had no room is left to reconcile. */
export function createChangesHandler(hearing: Hearing): BatchHandler<'job-changes'> {
  return async (messages) => {
    await hearing.takeChanges(messages.map(({ value }) => value))
  }
}
