import { runService } from '@belfry/bootstrap'
import { gatewayConfig } from './config.ts'
import { createGateway } from './service.ts'

await runService({
  service: 'gateway',
  config: gatewayConfig,
  create: createGateway,
})
