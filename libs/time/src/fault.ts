/** Why a schedule is refused. `code` is stable and kebab-case, `detail` a sentence for people, `field` where it stands. */
export interface ScheduleFault {
  code: string
  detail: string
  field: 'cron' | 'timezone' | 'every' | 'runAt'
}

export interface Faulty {
  fault: ScheduleFault
}

export function faulty(field: ScheduleFault['field'], code: string, detail: string): Faulty {
  return { fault: { code, detail, field } }
}

export function isFaulty<T>(value: T | Faulty): value is Faulty {
  return typeof value === 'object' && value !== null && 'fault' in value
}
