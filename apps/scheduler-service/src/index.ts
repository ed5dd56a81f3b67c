export { type SchedulerConfig, schedulerConfig } from './config.ts'
export { createSchedulerService, type SchedulerService, type SchedulerServiceDeps } from './service.ts'
export { openStores } from './store/index.ts'
export type { Stores } from './store/ports.ts'
