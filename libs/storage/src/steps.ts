import { StorageError } from './errors.ts'

/** Steps that every SQLite file takes at its opening. */
export const sqliteSteps = ['schema.migrate'] as const
/** Steps that every MongoDB database takes at its opening. */
export const mongoSteps = ['schema.insert', 'schema.raise'] as const
/** Steps of the numbers that a MongoDB database hands out. */
export const numberSteps = ['numbers.take', 'numbers.insert'] as const
/** Steps of the store of positions. */
export const cursorSteps = ['cursors.move'] as const
/** Steps of the store of messages that cannot be read. */
export const poisonSteps = ['poison.keep'] as const

/** Throws for a durable step whose name is not in the list of its store. */
export type StepCheck = (step: string) => void

/**
 * The check of one store against `steps`, the names of its durable steps. `proof/crash` reads the same list and has a crash
 * point for each name: a write with a new name fails, and once its name is in the list the proof fails until it has a point.
 */
export function createStepCheck(steps: readonly string[]): StepCheck {
  const known = new Set(steps)
  return (step) => {
    if (known.has(step)) return
    throw new StorageError('failed', `the durable step ${step} is not in the list of its store (store/steps.ts)`)
  }
}
