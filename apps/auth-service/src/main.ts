import { runService } from '@belfry/bootstrap'
import { authConfig } from './config.ts'
import { createAuthService } from './service.ts'
import { openStores } from './store/index.ts'

await runService({
  service: 'auth-service',
  config: authConfig,
  openStores,
  create: createAuthService,
})
