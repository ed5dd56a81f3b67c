export { type GatewayConfig, gatewayConfig } from './config.ts'
export { createGateway, type Gateway, type GatewayDeps } from './service.ts'
