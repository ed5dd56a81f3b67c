export { type FieldHint, fieldHints } from './field-hints.ts'
export * from './http/audit.ts'
export * from './http/auth.ts'
export * from './http/batches.ts'
export * from './http/bulk.ts'
export * from './http/events.ts'
export * from './http/executions.ts'
export * from './http/job-bodies.ts'
export {
  backoffs,
  type MisfireBody,
  misfireBody,
  overlapBody,
  type RetryBody,
  retryBody,
  type ScheduleBody,
  scheduleBody,
  shortestIntervalMs,
} from './http/job-policies.ts'
export * from './http/job-views.ts'
export * from './http/lists.ts'
export * from './http/notifications.ts'
export { type ExecutionSummary, executionSummary, type Warning, warning } from './http/parts.ts'
export {
  type SchedulePreviewBody,
  type SchedulePreviewView,
  schedulePreviewBody,
  schedulePreviewView,
} from './http/schedule-preview.ts'
export * from './http/secrets.ts'
export * from './http/system.ts'
export * from './http/why.ts'
export * from './ids.ts'
export * from './internal.ts'
export * from './messages.ts'
export * from './problems.ts'
export * from './secret-references.ts'
export * from './services.ts'
export * from './sizes.ts'
export * from './spec.ts'
export * from './states.ts'
export { tolerant } from './tolerant.ts'
export * from './values.ts'
