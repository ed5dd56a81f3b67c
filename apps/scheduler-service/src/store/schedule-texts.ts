import { recordDefaults, type ScheduleRecord } from '../domain/schedule-record.ts'

/** What changes with a version only, in a text of its own: an advance neither writes nor sends it again. */
type Spec = Pick<ScheduleRecord, 'ownerId' | 'spec' | 'olderSpecs'>
/** What changes with every fire time. */
type Body = Omit<ScheduleRecord, keyof Spec | 'jobId' | 'version' | 'endedAt'>

const unlessEmpty = <T>(list: readonly T[]) => (list.length > 0 ? list : undefined)

/** The body as JSON. Lists that are empty in nearly every record are left out. */
export function bodyText(record: ScheduleRecord): string {
  const { state, nextFireAt, lastFireAt, fired, pending, fireLogOutbox, quarantined } = record
  const seldom = {
    lateSegments: unlessEmpty(record.lateSegments),
    recentRanges: unlessEmpty(record.recentRanges),
    oneShots: unlessEmpty(record.oneShots),
  }
  return JSON.stringify({ state, nextFireAt, lastFireAt, fired, pending, fireLogOutbox, quarantined, ...seldom })
}

export function specText({ ownerId, spec, olderSpecs }: ScheduleRecord): string {
  const text: Spec = { ownerId, spec, olderSpecs }
  return JSON.stringify(text)
}

/** Whether a write of `b` may leave the spec text of `a` as it is. */
export function hasSameSpec(a: ScheduleRecord, b: ScheduleRecord): boolean {
  return a.version === b.version && a.spec === b.spec && a.olderSpecs === b.olderSpecs && a.ownerId === b.ownerId
}

/** Both texts as parts of a record; those of earlier versions get the fields that they lack. Throws for what is no JSON. */
export function readTexts(spec: string, body: string): Spec & Body {
  return { ...recordDefaults, ...(JSON.parse(spec) as Spec), ...(JSON.parse(body) as Body) }
}
