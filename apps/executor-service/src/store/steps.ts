import * as storage from '@belfry/storage/steps'
import type { Step } from './ports.ts'

/** The steps of the port, each of which is one by its type. */
const ofExecutions: Readonly<Record<Step, true>> = {
  insert: true,
  replace: true,
  claim: true,
  close: true,
  skip: true,
  wait: true,
  wake: true,
  cancel: true,
  expire: true,
  'hand-over': true,
  start: true,
  'hand-back': true,
  finish: true,
  lose: true,
  'take-back': true,
}

const both = [
  ...storage.cursorSteps,
  ...storage.poisonSteps,
  ...Object.keys(ofExecutions).map((step) => `executions.${step}`),
  ...['executions.put-aside', 'executions.republish', 'executions.purge', 'outbox.mark'],
  ...['admissions.fence', 'admissions.place', 'admissions.settle', 'admissions.touch', 'admissions.purge'],
  ...['executors.enlist', 'executors.beat', 'executors.gone', 'executors.takeover', 'executors.leave'],
  ...['logs.append', 'logs.purge', 'artifacts.put', 'artifacts.purge'],
]

/** The durable steps of this service's stores, by the kind of the store (`createStepCheck` of libs/storage). */
export const durableSteps = {
  sqlite: [...storage.sqliteSteps, ...both],
  mongo: [
    ...storage.mongoSteps,
    ...storage.numberSteps,
    ...both,
    ...['executions.params', 'executions.orphans', 'executions.purge-rest', 'executions.renumber'],
  ],
} as const
