import * as storage from '@belfry/storage/steps'

const both = [
  ...storage.cursorSteps,
  ...storage.poisonSteps,
  ...['schedules.insert', 'schedules.save', 'schedules.postpone', 'schedules.purge'],
  ...['fire-log.upsert', 'fire-log.purge'],
]

/** The durable steps of this service's stores, by the kind of the store (`createStepCheck` of libs/storage). */
export const durableSteps = {
  sqlite: [...storage.sqliteSteps, ...both, 'schedules.change'],
  mongo: [...storage.mongoSteps, ...both],
} as const
