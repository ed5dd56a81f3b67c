import type { Clock, Logger } from '@belfry/service'
import { type JobTypes, readJobTypes } from '../domain/job-types.ts'
import type { Executors, TypeList } from '../domain/ports.ts'

export interface TypesOptions {
  readonly executors: Executors
  readonly clock: Clock
  readonly log: Logger
  /** How soon the executors are asked again for a type that is not on the list, milliseconds. */
  readonly againMs: number
}

/** Without any list the next request asks again after so many milliseconds. */
const firstListAgainMs = 500

/** The last good list of job types, and the turn that renews it. */
export interface RenewedTypes extends TypeList {
  /** Asks the executors; a list that cannot be had leaves the old one as it is. Rejects then. */
  renew(): Promise<void>
}

export function createTypeList({ executors, clock, log, againMs }: TypesOptions): RenewedTypes {
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
    async knowing(type) {
      if (types?.has(type)) return types
      const isDue = clock.monotonic() - askedAt >= (types ? againMs : firstListAgainMs)
      if (asking || isDue) await renew().catch((err) => log.warn({ err }, 'the job types cannot be had'))
      return types
    },
  }
}
