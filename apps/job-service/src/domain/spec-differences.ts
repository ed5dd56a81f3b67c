import type { JobSpec, ValidationIssue } from '@belfry/contracts'

/** The parts of a spec by their fields in the body of a job. */
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

/** The same text for values that are the same JSON, whatever the order of their fields. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** One issue for each part in which the specs differ; `schedule` stands for `runAt` and the like too. */
export function specDifferences(asked: JobSpec, stored: JobSpec): ValidationIssue[] {
  return Object.entries(parts)
    .filter(([, partOf]) => canonical(partOf(asked)) !== canonical(partOf(stored)))
    .map(([field]) => ({ pointer: `/${field}`, code: 'differs', detail: 'differs from the job that exists' }))
}
