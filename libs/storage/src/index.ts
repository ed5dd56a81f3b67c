export * from './errors.ts'
export * from './port.ts'
export { createUnreadableReport, type OnUnreadable } from './unreadable.ts'
