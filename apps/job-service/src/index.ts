export { type JobConfig, jobConfig, jobRules } from './config.ts'
export { createJobService, type JobService, type JobServiceDeps } from './service.ts'
export { openStores } from './store/index.ts'
export type { Stores } from './store/ports.ts'
