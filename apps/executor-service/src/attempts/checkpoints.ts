import type { Stores } from '../store/ports.ts'
import type { Attempt } from './attempt.ts'

/** The states that attempts store for later attempts of their execution. */
export interface Checkpoints {
  /** Stores a state (JSON text). Rejects with a `StorageError`. */
  save(attempt: Attempt, state: string): Promise<void>
  /** The newest state of the execution's version, by this or an earlier attempt. Rejects with a `StorageError`. */
  read(attempt: Attempt): Promise<string | undefined>
}

/** No artifact can have this name: those of handlers begin with a letter or a digit. No record lists it, so no route serves it. */
const fileName = '.checkpoint'

/**
 * A checkpoint is a file of its attempt, so it is purged with the files. Each attempt writes its own one: what an attempt still writes that has lost its
 * lease takes the place of no newer state. The version stands before the state: a newer version of the job, which may have other
 * params, does not resume from it.
 */
export function createCheckpoints({ artifacts }: Pick<Stores, 'artifacts'>): Checkpoints {
  return {
    async save({ rowId, execution: { epoch, version } }, state) {
      await artifacts.put([{ rowId, epoch, name: fileName, body: Buffer.from(`${version}\n${state}`) }])
    },
    async read({ rowId, execution: { epoch, version } }) {
      const body = await artifacts.readNewest(rowId, epoch, fileName)
      if (body === undefined) return undefined
      const text = Buffer.from(body).toString()
      const end = text.indexOf('\n')
      return text.slice(0, end) === String(version) ? text.slice(end + 1) : undefined
    },
  }
}
