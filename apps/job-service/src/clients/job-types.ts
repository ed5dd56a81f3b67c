import type { Clock, Logger } from '@belfry/service'
import { type JobTypes, readJobTypes } from '../domain/job-types.ts'
import type { Executors } from './executors.ts'

export interface JobTypeListOptions {
  readonly executors: Pick<Executors, 'jobTypes'>
  readonly clock: Clock
  readonly log: Logger
  /** How soon the executors are asked again for a type that is not on the list, milliseconds. */
  readonly againMs: number
}

/** Without any list the next request asks again after so many milliseconds. */
const firstListAgainMs = 500

/** The last good list of job types. */
export interface JobTypeList {
  /** Null until an executor has answered. Asks again, not too often, when `type` is not on the list. */
  knowing(type: string): Promise<JobTypes | null>
  /** Whether the last list is without `type`; false before the first one. Asks nothing. */
  lacks(type: string): boolean
  /** Fetches the list; a failure rejects and leaves the old list as it is. */
  renew(): Promise<void>
}

export function createJobTypeList({ executors, clock, log, againMs }: JobTypeListOptions): JobTypeList {
  let types: JobTypes | null = null
  let listText = ''
  let asking: Promise<void> | null = null
  let askedAt = Number.NEGATIVE_INFINITY

  const ask = async () => {
    askedAt = clock.monotonic()
    try {
      const list = await executors.jobTypes()
      const text = JSON.stringify(list)
      // Schemas are compiled again only when one has changed.
      if (text !== listText) types = readJobTypes(list)
      listText = text
    } finally {
      asking = null
    }
  }
  const renew = () => {
    asking ??= ask()
    return asking
  }

  return {
    renew,
    lacks: (type) => types !== null && !types.has(type),
    async knowing(type) {
      if (types?.has(type)) return types
      const isDue = clock.monotonic() - askedAt >= (types ? againMs : firstListAgainMs)
      if (asking || isDue) await renew().catch((err) => log.warn({ err }, 'the job types cannot be had'))
      return types
    },
  }
}
