/**
 * Why a schedule is refused. `code` is stable and kebab-case, `detail` a sentence for people, `field` where it stands.
 * `suggestion` is a value that may be put there instead.
 */
export interface ScheduleFault {
  code: string
  detail: string
  field: 'cron' | 'timezone' | 'every' | 'runAt'
  suggestion?: string
}

export interface Faulty {
  fault: ScheduleFault
}

export function faulty(field: ScheduleFault['field'], code: string, detail: string, suggestion?: string): Faulty {
  return { fault: { code, detail, field, ...(suggestion !== undefined && { suggestion }) } }
}

export function isFaulty<T>(value: T | Faulty): value is Faulty {
  return typeof value === 'object' && value !== null && 'fault' in value
}
