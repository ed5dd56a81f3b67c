export * from './errors.ts'
export { type OpenStoresOptions, openByScheme, type StoreAdapter } from './open-by-scheme.ts'
export * from './port.ts'
export { createUnreadableReport, type OnUnreadable } from './unreadable.ts'
