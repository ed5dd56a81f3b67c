/**
 * The reason that a schedule is refused. `code` is stable and kebab-case, `detail` a sentence for people, `field` the field of the schedule.
 * `suggestion` is a value that may be put there instead.
 */
export interface ScheduleIssue {
  code: string
  detail: string
  field: 'cron' | 'timezone' | 'every' | 'runAt'
  suggestion?: string
}

export interface Invalid {
  issue: ScheduleIssue
}

export function invalid(field: ScheduleIssue['field'], code: string, detail: string, suggestion?: string): Invalid {
  return { issue: { code, detail, field, ...(suggestion !== undefined && { suggestion }) } }
}

export function isInvalid<T>(value: T | Invalid): value is Invalid {
  return typeof value === 'object' && value !== null && 'issue' in value
}
