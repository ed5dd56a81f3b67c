import { runService } from '@belfry/bootstrap'
import { schedulerConfig } from './config.ts'
import { createSchedulerService } from './service.ts'
import { openStores } from './store/index.ts'

await runService({
  service: 'scheduler-service',
  config: schedulerConfig,
  openStores,
  create: createSchedulerService,
})
