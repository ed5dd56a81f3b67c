import type { JobType } from '@belfry/contracts'
import type { Registry } from '@belfry/discovery'
import type { Clock, Logger } from '@belfry/service'
import { type JobTypes, readJobTypes } from '../domain/job-types.ts'
import type { Executors } from './executors.ts'

export interface JobTypeListOptions {
  readonly executors: Pick<Executors, 'jobTypes'>
  readonly registry: Pick<Registry, 'instances'>
  readonly clock: Clock
  readonly log: Logger
  /** How soon the executors are asked again when a list is needed, milliseconds. */
  readonly againMs: number
  /** How long the types of an executor count that is not registered any more, milliseconds. */
  readonly keepMs: number
}

/** Without any list the next request asks again after so many milliseconds. */
const firstListAgainMs = 500

/** What all executors can run: the last good list of each. */
export interface JobTypeList {
  /** Null until an executor has answered. Asks again, not too often, and waits for the answer when `type` is not on the list. */
  knowing(type: string): Promise<JobTypes | null>
  /**
   * Whether the last list is without `type`; false before the first one. Waits for no answer, and asks again, not too often, so that
   * a later call knows of a type that has gone or come.
   */
  lacks(type: string): boolean
  /** Fetches the lists; rejects when no executor answers. An executor that does not answer counts with its last list. */
  renew(): Promise<void>
}

interface ListOfOne {
  readonly list: readonly JobType[]
  /** By the monotonic clock. */
  seenAt: number
}

/** One entry for each type; where executors differ, the first one that is registered has the word. */
function unionOf(lists: Iterable<ListOfOne>): JobType[] {
  const byType = new Map<string, JobType>()
  for (const { list } of lists) for (const one of list) if (!byType.has(one.type)) byType.set(one.type, one)
  return [...byType.values()]
}

export function createJobTypeList(options: JobTypeListOptions): JobTypeList {
  const { executors, registry, clock, log, againMs, keepMs } = options
  /** The executors that are registered come first. */
  let lists = new Map<string, ListOfOne>()
  let types: JobTypes | null = null
  let listText = ''
  let asking: Promise<void> | null = null
  let askedAt = Number.NEGATIVE_INFINITY

  /** Those that are registered, and those that were until a short time ago. */
  function listsAfter(now: number, ids: readonly string[], found: ReadonlyMap<string, readonly JobType[]>) {
    const next = new Map<string, ListOfOne>()
    for (const id of ids) {
      const list = found.get(id) ?? lists.get(id)?.list
      if (list) next.set(id, { list, seenAt: now })
    }
    for (const [id, one] of lists) if (!next.has(id) && now - one.seenAt < keepMs) next.set(id, one)
    return next
  }

  async function fetchAll(): Promise<void> {
    const ids = registry.instances('executor-service').map(({ id }) => id)
    const found = new Map<string, readonly JobType[]>()
    const errors: unknown[] = []
    const askOne = (id: string) =>
      executors.jobTypes(id).then(
        (list) => void found.set(id, list),
        (error) => void errors.push(error),
      )
    await Promise.all(ids.map(askOne))
    if (found.size === 0) throw errors[0] ?? new Error('no executor is registered')
    lists = listsAfter(clock.monotonic(), ids, found)
    use(unionOf(lists.values()))
  }

  /** Schemas are compiled again only when one has changed. */
  function use(list: readonly JobType[]): void {
    const text = JSON.stringify(list)
    if (text !== listText) types = readJobTypes(list)
    listText = text
  }

  const renew = () => {
    askedAt = clock.monotonic()
    asking ??= fetchAll().finally(() => {
      asking = null
    })
    return asking
  }

  /** Null where the last answer is new enough; never rejects. */
  function renewIfDue(): Promise<void> | null {
    const isDue = clock.monotonic() - askedAt >= (types ? againMs : firstListAgainMs)
    return asking || isDue ? renew().catch((err) => log.warn({ err }, 'the job types cannot be had')) : null
  }

  return {
    renew,
    lacks(type) {
      void renewIfDue()
      return types !== null && !types.has(type)
    },
    async knowing(type) {
      const renewed = renewIfDue()
      // A known type may have changed: this request is judged by the list that is there, and later ones by the new one.
      if (!types?.has(type)) await renewed
      return types
    },
  }
}
