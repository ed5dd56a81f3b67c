import type { BatchHandler } from '@belfry/bus'
import type { Hearing } from '../domain/hearing.ts'

/** Takes what the executors show as the answer to commands; resolves when it is stored. */
export function createStatusHandler(hearing: Hearing): BatchHandler<'job-status'> {
  return (messages) => hearing.takeStatuses(messages.map(({ value }) => value))
}
