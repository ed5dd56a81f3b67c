import type { ScheduleRecord } from '../../../apps/scheduler-service/src/domain/schedule-record.ts'
import { type Mutant, twoTimes } from './mutant.ts'

const whole = { ...twoTimes, hasWholeRuns: true } as const

/** Guards of schedules and of pending commands (docs/protocol.md steps 5 to 7). */
export const scheduleMutants: readonly Mutant[] = [
  {
    name: 'any-status-acknowledges',
    about: 'a command is acknowledged by an execution of any version',
    search: { operations: { count: 1, kinds: ['update'] } },
    mutate: (real) => ({
      acknowledge: (record, status, now) =>
        real.acknowledge(record, { ...status, version: Number.MAX_SAFE_INTEGER }, now),
    }),
    breaks: ['I1'],
  },
  {
    name: 'older-change-applies',
    about: 'a change that is older than the schedule is applied',
    search: { operations: { count: 1, kinds: ['update'] }, prunes: false, hasWholeRuns: true },
    mutate: (real) => ({
      applyChanges: (known, message, ...more) =>
        real.applyChanges(
          known && known.version > message.version ? { ...known, version: 0 } : known,
          message,
          ...more,
        ),
    }),
    breaks: ['I9'],
  },
  {
    name: 'schedule-without-compare',
    about: 'a schedule is stored although another scheduler has changed it',
    search: { ...whole, schedulers: 2, operations: { count: 1, kinds: ['update'] }, prunes: false },
    mutate: () => ({ scheduleWriteCounts: () => true }),
    breaks: ['I1', 'I9'],
  },
  {
    name: 'next-from-the-clock',
    about: 'the next fire time is computed from the clock',
    search: whole,
    mutate: (real) => ({
      advance: (record, now, compile, rules) => {
        const times = compile(record.spec.schedule, record.jobId)
        const isBehind = 'issue' in times || record.nextFireAt === null || record.nextFireAt > now
        return real.advance(isBehind ? record : { ...record, nextFireAt: times.next(now) }, now, compile, rules)
      },
    }),
    breaks: ['I1'],
  },
  {
    name: 'missed-is-not-logged',
    about: 'late fire times that do not run are not logged',
    search: { ...whole, misfireAfterMs: 15 },
    mutate: (real) => ({
      advance: (...input) => withoutRanges(real.advance(...input)),
      advanceWith: (...input) => withoutRanges(real.advanceWith(...input)),
    }),
    breaks: ['I1'],
  },
  {
    name: 'cut-range-is-not-copied',
    about: 'the fire log keeps a range that a change has cut since',
    search: { ...whole, misfireAfterMs: 15, schedulers: 2, operations: { count: 1, kinds: ['update'] } },
    mutate: () => ({ fireLogStays: () => true }),
    breaks: ['I1'],
  },
  {
    name: 'paused-job-fires',
    about: 'a paused job goes on issuing its fire times',
    search: { ...whole, operations: { count: 1, kinds: ['pause'] } },
    mutate: (real) => ({
      dueAt: (record, rules) => real.dueAt({ ...record, state: 'active' }, rules),
      advance: (record, ...more) => {
        const after = real.advance({ ...record, state: 'active' }, ...more)
        return { ...after, state: record.state }
      },
    }),
    breaks: ['I1', 'I8', 'I10'],
  },
  {
    name: 'commands-are-sent-once',
    about: 'a command is not sent again',
    search: {},
    mutate: (real) => ({
      takeDueCommands: (record, now, since, rules) => {
        const fresh = { ...record, pending: record.pending.filter(({ tries }) => tries === 0) }
        const { commands } = real.takeDueCommands(fresh, now, since, rules)
        return { ...real.takeDueCommands(record, now, since, rules), commands }
      },
    }),
    breaks: ['I10'],
  },
]

function withoutRanges(record: ScheduleRecord): ScheduleRecord {
  return record.fireLogOutbox.length === 0 ? record : { ...record, fireLogOutbox: [] }
}
