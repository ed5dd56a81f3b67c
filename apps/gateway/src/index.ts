export { type GatewayConfig, gatewayConfig } from './config.ts'
export { createGateway, type GatewayDeps } from './service.ts'
