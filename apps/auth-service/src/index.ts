export { type AuthConfig, authConfig } from './config.ts'
export { type AuthService, type AuthServiceDeps, createAuthService } from './service.ts'
export { migrations } from './store/sqlite/index.ts'
