export { optionFields, type ScheduleOptionField } from './options.ts'
export { givenFields, type ScheduleField } from './read-schedule.ts'
export { compileTiming, type Misread, type Timing, type TimingContext, type TimingInput } from './timing.ts'
export { defaultTimezone } from './zone-setting.ts'
