export { parseEvery } from './every.ts'
export { type FireTimes, fireTimeNumber } from './fire-times.ts'
export type { ScheduleIssue } from './issue.ts'
export { localText, readZoneless } from './local.ts'
export { type LateOutcome, type LateSegment, type MisfireRule, resolveMisfire, segmentUpTo } from './misfire.ts'
export {
  compileSchedule,
  compileWithoutWindow,
  type Schedule,
} from './schedule.ts'
export { scheduleText } from './text.ts'
export { type ScheduleWarning, scheduleWarnings } from './warnings.ts'
export { inWindow, type WindowOptions } from './window.ts'
export { isTimeZone } from './zone.ts'
