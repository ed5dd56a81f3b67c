import { isDeepStrictEqual } from 'node:util'
import type { Fault, JobSpec } from '@belfry/contracts'

/** The parts of a spec by the field of a job's body that says them. */
const parts: Record<string, (spec: JobSpec) => unknown> = {
  name: (spec) => spec.name,
  jobType: (spec) => spec.jobType,
  params: (spec) => spec.params,
  schedule: (spec) => spec.schedule,
  retry: (spec) => spec.policy.retry,
  timeout: (spec) => spec.policy.timeoutMs,
  overlap: (spec) => [spec.isOverlapSet, spec.policy.overlap],
  priority: (spec) => spec.priority,
  tags: (spec) => spec.tags,
}

/** As a store gives it back: JSON knows no -0 and no prototypes. */
const asStored = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** One fault for each part in which the specs differ; `schedule` stands for `runAt` and the like too. */
export function specDifferences(asked: JobSpec, stored: JobSpec): Fault[] {
  return Object.entries(parts)
    .filter(([, partOf]) => !isDeepStrictEqual(asStored(partOf(asked)), asStored(partOf(stored))))
    .map(([field]) => ({ pointer: `/${field}`, code: 'differs', detail: 'differs from the job that exists' }))
}
