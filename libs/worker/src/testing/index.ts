export { type RunJobOptions, type RunReport, runJob, type TestAttempt, type TestLine } from './run-job.ts'
export { createTestClock, type TestClock } from './test-clock.ts'
