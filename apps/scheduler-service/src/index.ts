export { type SchedulerConfig, schedulerConfig } from './config.ts'
export { createSchedulerService, type SchedulerService, type SchedulerServiceDeps } from './service.ts'
export { migrations } from './store/sqlite/index.ts'
