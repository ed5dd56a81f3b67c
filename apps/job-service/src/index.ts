export { type JobConfig, jobConfig } from './config.ts'
export { createJobService, type JobService, type JobServiceDeps } from './service.ts'
export { migrations } from './store/sqlite/index.ts'
