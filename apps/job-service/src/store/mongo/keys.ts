import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '@belfry/service'
import { StorageError } from '@belfry/storage'
import { type Collection, where } from '@belfry/storage/mongo'
import { isLive, type Job } from '../../domain/job.ts'
import type { JobRecord, KeyRecord } from './collections.ts'

/** How often, and how long apart, a key whose job is not there yet is looked at again before it is taken over. */
const looks = 5
const lookAgainMs = 20
/** Other calls take a key over as well; each of them leaves fewer that can. */
const tries = 100

/** The jobs that have the keys. */
export interface KeyHolders {
  /**
   * Gives the job its key, so that the job may be stored. `taken`: another live job has it. `stored`: the job itself is there
   * already, or was given up for good.
   */
  take(job: Job & { readonly key: string }): Promise<'given' | 'taken' | 'stored'>
  /** The jobs that a key names, the newest first. */
  find(ownerId: string, key: string): Promise<readonly string[]>
  /** Takes the key from a job that was removed. */
  release(job: Pick<JobRecord, '_id' | 'ownerId' | 'key'>[]): Promise<void>
}

const nameOf = (ownerId: string, key: string) => `${ownerId}:${key}`

/**
 * A key is stored before its job (decision 028). So a key may name a job that was never stored: its creator has died, or is slow.
 * The creator that wants the key then stores a void record under that job's id first. The slow creator's insert finds it, and fails.
 */
export function createKeyHolders(keys: Collection<KeyRecord>, jobs: Collection<JobRecord>, clock: Clock): KeyHolders {
  const fields = ['_id', 'state', 'voidedAt'] as const

  /** Whether no job of this id is stored, nor ever will be, after a while in which its creator may store it. */
  const makeVoid = async (jobId: string): Promise<boolean> => {
    for (let left = looks; left > 0; left -= 1) {
      await wait(lookAgainMs)
      if (await jobs.findOne('jobs.read', { _id: jobId }, { fields })) return false
    }
    const record = { _id: jobId, voidedAt: clock.now() } as JobRecord
    const [isVoid] = await jobs.insertManyIfAbsent('jobs.void', [record])
    return isVoid === true
  }

  return {
    async take({ id, ownerId, key }) {
      const name = nameOf(ownerId, key)
      for (let left = tries; left > 0; left -= 1) {
        const [isFree] = await keys.insertManyIfAbsent('keys.insert', [{ _id: name, jobId: id, formerJobId: null }])
        if (isFree) return 'given'
        const held = await keys.findOne('keys.read', { _id: name })
        if (!held) continue
        if (held.jobId === id) return 'given'
        const found = await jobs.find('jobs.read', { _id: where({ $in: [held.jobId, id] }) }, { fields, limit: 2 })
        if (found.some((one) => one._id === id)) return 'stored'
        const holder = found.find((one) => one._id === held.jobId)
        if (holder && holder.voidedAt === undefined && isLive(holder)) return 'taken'
        if (!holder && !(await makeVoid(held.jobId))) continue
        // Cancelled, deleted or void: nothing makes it live again.
        const formerJobId = holder && holder.voidedAt === undefined ? held.jobId : held.formerJobId
        const guard = { jobId: held.jobId }
        const [isTaken] = await keys.compareAndSetMany('keys.take', [
          { id: name, guard, update: { $set: { jobId: id, formerJobId } } },
        ])
        if (isTaken) return 'given'
      }
      throw new StorageError('locked', 'other calls take the key of the job over all the time')
    },
    async find(ownerId, key) {
      const held = await keys.findOne('keys.read', { _id: nameOf(ownerId, key) })
      return held ? [held.jobId, ...(held.formerJobId === null ? [] : [held.formerJobId])] : []
    },
    async release(removed) {
      const rows = removed.flatMap(({ _id, ownerId, key }) =>
        key === null ? [] : [{ id: nameOf(ownerId, key), guard: { jobId: _id } }],
      )
      if (rows.length > 0) await keys.deleteEach('keys.remove', rows)
    },
  }
}
