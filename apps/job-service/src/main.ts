import { runService } from '@belfry/bootstrap'
import { jobConfig, jobRules } from './config.ts'
import { createJobService } from './service.ts'
import { openStores } from './store/index.ts'

await runService({
  service: 'job-service',
  config: jobConfig,
  rules: jobRules,
  openStores,
  create: createJobService,
})
