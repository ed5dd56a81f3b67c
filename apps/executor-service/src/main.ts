import { runService } from '@belfry/bootstrap'
import { executorConfig, executorRules } from './config.ts'
import { createExecutorService } from './service.ts'
import { openStores } from './store/index.ts'

await runService({
  service: 'executor-service',
  config: executorConfig,
  rules: executorRules,
  openStores,
  create: createExecutorService,
})
