import type { ExecutionPolicy, JobExecuteMessage } from '@belfry/contracts'
import type { RowId } from '@belfry/storage'
import { samplePolicy, sampleTime } from '@belfry/testkit'
import type { Execution } from '../src/executions/execution.ts'
import type { Delivery } from '../src/intake/command.ts'
import { newExecution } from '../src/intake/command.ts'

/** 2026-01-01T00:00:00Z: where manual clocks begin. */
export const start = sampleTime

const uuid = (number: number) => `00000000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`
export const jobId = (number = 1) => `job-${uuid(number)}`
export const ownerId = (number: number) => `usr-${uuid(number)}`
export const executionId = (number = 1) => `exe-${start.toString(36)}-${uuid(number)}`

export const policy = (change: Partial<ExecutionPolicy> = {}): ExecutionPolicy =>
  samplePolicy({ timeoutMs: 60_000, ...change })

export const command = (change: Partial<JobExecuteMessage> = {}): JobExecuteMessage => ({
  jobId: jobId(),
  jobType: 'TEST',
  executionId: executionId(),
  version: 1,
  cause: 'schedule',
  fireAt: start + 1000,
  params: {},
  policy: policy(),
  priority: 5,
  expiresAt: null,
  ownerId: 'usr-1',
  plannedAt: start,
  ...change,
})

export const delivery = (change: Partial<Delivery> = {}): Delivery => ({
  arrival: { sentAt: start, admittedAt: start, topic: 'job-execute', partition: null, offset: null },
  pool: 'io',
  oldestPlannedAt: 0,
  ...change,
})

/** A row id that no store has given, for parts that work without one. */
export const sampleRowId = (number = 1) => number as unknown as RowId

/** A record that is ready, changed as the test wants it. */
export const execution = (change: Partial<Execution> = {}): Execution => ({
  ...newExecution(command(), delivery()),
  ...change,
})

/** That many records that are ready, each changed as the test wants it. */
export const executions = (count: number, change: (number: number) => Partial<Execution>): Execution[] =>
  Array.from({ length: count }, (_, index) => execution({ id: executionId(index + 1), ...change(index + 1) }))

/** A record that is claimed for its first attempt, which has no recorded start. */
export const claimedExecution = (change: Partial<Execution> = {}): Execution =>
  runningExecution({
    attempts: [{ epoch: 1, executor: 'one', startedAt: null, endedAt: null, outcome: null, error: null }],
    ...change,
  })

/** A record at its first attempt, whose start is recorded. */
export const runningExecution = (change: Partial<Execution> = {}): Execution =>
  execution({
    state: 'running',
    seq: 2,
    epoch: 1,
    owner: 'one',
    attempts: [{ epoch: 1, executor: 'one', startedAt: start + 1000, endedAt: null, outcome: null, error: null }],
    ...change,
  })
