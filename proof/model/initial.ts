import type { ExecutionPolicy, JobSpec, ScheduleSpec } from '@belfry/contracts'
import { openAdmission } from '../../apps/executor-service/src/admission/admission.ts'
import { newJob } from '../../apps/job-service/src/domain/job.ts'
import type { Configuration } from './configuration.ts'
import type { Executor, World } from './world.ts'

const jobId = 'job-01900000-0000-7000-8000-000000000001'

function scheduleOf({ fireTimes }: Configuration): ScheduleSpec {
  const [first = 10, second = first] = fireTimes
  return { kind: 'interval', everyMs: 10, anchorAt: first % 10, startAt: first, endAt: second }
}

function policyOf({ overlap, onLostLease, maxRetries }: Configuration): ExecutionPolicy {
  const retry = { maxRetries, backoff: 'fixed', delayMs: 1, factor: 1, maxDelayMs: 1, jitter: false } as const
  return { retry, overlap, timeoutMs: 1, onLostLease }
}

function specOf(config: Configuration): JobSpec {
  return {
    name: 'a job',
    jobType: 'DUMMY',
    params: {},
    schedule: scheduleOf(config),
    policy: policyOf(config),
    isOverlapSet: true,
    priority: 1,
    tags: [],
    ...(config.misfire && { misfire: config.misfire }),
  }
}

const noCalls = { starts: 0, excuses: 0, failures: 0 }

function executor(name: string): Executor {
  return { name, isUp: true, hasLease: true, isStopping: false, attempts: {} }
}

/** The job is stored and nothing else has happened. */
export function initialWorld(config: Configuration): World {
  const both = config.executors === 2
  const job = newJob({ id: jobId, ownerId: 'usr-1', key: null, spec: specOf(config), warnings: [], now: 0 })
  return {
    now: config.moments[0] as number,
    job,
    fencedVersion: job.version,
    admission: openAdmission(jobId),
    call: null,
    strays: [],
    operationsLeft: config.operations.count,
    trigger: null,
    triggersLeft: config.triggers,
    promised: [],
    copies: {},
    changes: [],
    commands: [],
    statuses: [],
    schedule: null,
    readings: config.schedulers === 2 ? [null, null] : [],
    fireLog: [],
    first: null,
    second: null,
    manual: null,
    alive: both ? ['a1', 'b1'] : ['a1'],
    a: executor('a1'),
    b: both ? executor('b1') : null,
    firstCalls: noCalls,
    secondCalls: noCalls,
    manualCalls: noCalls,
    faultsLeft: config.faults.count,
    failuresLeft: config.failures,
  }
}
