import { executionStates, isRefusal, type Refusal } from '@belfry/contracts'
import { changed, type Execution } from '../apps/executor-service/src/executions/execution.ts'
import type { AttemptOutcome } from '../apps/executor-service/src/executions/outcome.ts'
import {
  claim,
  close,
  expire,
  finish,
  handBack,
  handOver,
  interrupt,
  lose,
  maxLosses,
  requestCancel,
  skip,
  start,
  wait,
  wake,
} from '../apps/executor-service/src/executions/transitions.ts'
import { admit, newExecution } from '../apps/executor-service/src/intake/command.ts'
import { fireTimeTransitions, jobTransitions } from './schedule-states.ts'

/** A record in every state from which something may follow, made by the transitions themselves. */
const policy = {
  retry: { maxRetries: 1, backoff: 'fixed', delayMs: 1000, factor: 1, maxDelayMs: 1000, jitter: false },
  overlap: { policy: 'skip', limit: 1 },
  timeoutMs: 1000,
  onLostLease: 'rerun',
} as const
const command = {
  jobId: 'job-1',
  jobType: 'DUMMY',
  executionId: 'exe-1',
  version: 1,
  cause: 'schedule',
  fireAt: 0,
  params: {},
  policy,
  priority: 5,
  expiresAt: null,
  ownerId: 'usr-1',
  plannedAt: 0,
} as const
const delivery = {
  arrival: { sentAt: 0, admittedAt: 0, topic: null, partition: null, offset: null },
  pool: 'io',
  oldestPlannedAt: 0,
} as const
const at = 1
const failure: AttemptOutcome = { kind: 'failed', error: { code: 'x', message: 'x' }, retry: 'policy', timedOut: false }
const success: AttemptOutcome = { kind: 'succeeded', result: null }

function must(outcome: Execution | Refusal): Execution {
  if (isRefusal(outcome)) throw new Error(outcome.detail)
  return outcome
}

const ready = newExecution(command, delivery)
const claimed = must(claim(ready, { owner: 'me' }))
const running = must(start(claimed, { epoch: claimed.epoch, startedAt: 0, hasHappened: true }))
const ending = (outcome: AttemptOutcome) => (record: Execution) =>
  finish(record, { epoch: record.epoch, at, startedAt: 0, outcome, artifacts: [], random: 0 })

/** Records of each state; of some there are several kinds that go different ways. */
const records: readonly Execution[] = [
  ready,
  claimed,
  changed(claimed, { cancelRequested: true }),
  running,
  changed(ready, { blockedBy: 'exe-2', runAt: 5000 }),
  changed(running, { failures: 1 }),
  changed(running, { losses: maxLosses + 1 }),
  changed(running, { cancelRequested: true }),
  changed(running, { policy: { ...policy, onLostLease: 'fail' } }),
  ...executionStates
    .filter((state) => state !== 'ready' && state !== 'running')
    .map((state) => changed(ready, { state })),
]

const steps: readonly (readonly [name: string, step: (record: Execution) => Execution | Refusal])[] = [
  ['claim', (record) => claim(record, { owner: 'me' })],
  ['start', (record) => start(record, { epoch: record.epoch, startedAt: 0, hasHappened: false })],
  ['success', ending(success)],
  ['failure', ending(failure)],
  ['lease lost', (record) => lose(record, { epoch: record.epoch, at, inDoubt: true })],
  ['executor stops', (record) => interrupt(record, { epoch: record.epoch, at, startedAt: 0, inDoubt: false })],
  ['handed back', (record) => handBack(record, record, at)],
  ['floor of a cancel', (record) => close(record, 'cancelled', at)],
  ['floor of an update', (record) => close(record, 'superseded', at)],
  ['no overlap place', (record) => skip(record, 'exe-2', at)],
  [
    'waits for an overlap place',
    (record) => wait(record, { epoch: record.epoch, blockedBy: 'exe-2', at, until: 5000 }),
  ],
  ['overlap place is free', (record) => wake(record, at)],
  ['job type is elsewhere', (record) => handOver(record)],
  ['too late', (record) => expire(record, at)],
  ['cancel', (record) => requestCancel(record, at)],
  ['command of a newer version', (record) => admit(record, { ...command, version: 2 }, delivery)],
]

/** One way from a state to another one, and the steps that lead there. */
export interface Transition {
  readonly from: string
  readonly to: string
  readonly by: string
}

/** Every transition that the functions of the executor allow. */
function executionTransitions(): Transition[] {
  const found: Transition[] = []
  for (const record of records) {
    for (const [by, step] of steps) {
      const after = step(record)
      if (!isRefusal(after) && after !== record) found.push({ from: record.state, to: after.state, by })
    }
  }
  return found
}

/** The transitions as a diagram and a table; those between the same two states are one. */
function describe(transitions: readonly Transition[], first?: Transition): string[] {
  const groups = [...Map.groupBy(transitions, ({ from, to }) => `${from} ${to}`).values()].map((group) => {
    const { from, to } = group[0] as Transition
    return { from, to, by: [...new Set(group.map(({ by }) => by))].join(', ') }
  })
  return [
    '```mermaid',
    'stateDiagram-v2',
    ...[...(first ? [first] : []), ...groups].map(({ from, to, by }) => `    ${from} --> ${to}: ${by}`),
    '```',
    '',
    '| from | to | by |',
    '|---|---|---|',
    ...groups.filter(({ from }) => from !== '[*]').map(({ from, to, by }) => `| ${from} | ${to} | ${by} |`),
    '',
  ]
}

/** The state machines of executions, jobs and fire times as Markdown, with diagrams. */
export function describeStates(): string {
  return [
    '# States',
    '',
    'Generated by calling the very functions that run in production: `npm run docs`. The model of the protocol (`npm run proof:model`)',
    'tries them in every order.',
    '',
    '## An execution',
    '',
    'By `apps/executor-service/src/executions` and `intake`. `superseded`, and `cancelled` by a floor, are at rest: a command of a newer',
    'version opens them again. All other end states never change.',
    '',
    ...describe(executionTransitions(), { from: '[*]', to: 'ready', by: 'command' }),
    '## A job',
    '',
    'By `apps/job-service/src/domain/job.ts`. Each change makes a new version. `completed` is derived and never stored.',
    '',
    ...describe(jobTransitions(), { from: '[*]', to: 'active', by: 'create' }),
    '## A fire time in the scheduler',
    '',
    'By `apps/scheduler-service/src/domain`: what the record of a schedule says of one fire time of a recurring schedule. `pending`: its',
    'command is sent until an execution is shown. `shown`: the executors have it. `logged`: the fire log has it, as missed, skipped or paused.',
    '`none`: no version asks for it any more. A change is before the fire time or after it.',
    '',
    ...describe(fireTimeTransitions()),
  ].join('\n')
}
