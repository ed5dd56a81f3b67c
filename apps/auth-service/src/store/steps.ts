import * as audit from '@belfry/audit/steps'
import * as storage from '@belfry/storage/steps'

const both = [
  ...storage.cursorSteps,
  ...['users.insert', 'users.replace', 'users.countWrong', 'users.clearWrong'],
  'admins.replace',
  ...['sessions.insert', 'sessions.rotate', 'sessions.remove', 'sessions.removeOfUser'],
  ...['apiKeys.insert', 'apiKeys.remove', 'apiKeys.touch'],
  ...['keys.insert', 'keys.remove'],
]

/** The durable steps of this service's stores, by the kind of the store (`createStepCheck` of libs/storage). */
export const durableSteps = {
  sqlite: [...storage.sqliteSteps, ...audit.auditSteps.sqlite, ...both, 'sessions.purge'],
  mongo: [...storage.mongoSteps, ...audit.auditSteps.mongo, ...both, 'admins.insert'],
} as const
