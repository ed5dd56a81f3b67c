export { type AuthConfig, authConfig } from './config.ts'
export { type AuthService, type AuthServiceDeps, createAuthService } from './service.ts'
export { openStores } from './store/index.ts'
export { durableSteps } from './store/steps.ts'
