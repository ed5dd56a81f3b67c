export { type ExecutorConfig, executorConfig, executorRules } from './config.ts'
export { createExecutorService, type ExecutorService, type ExecutorServiceDeps } from './service.ts'
export { openStores } from './store/index.ts'
export { durableSteps } from './store/steps.ts'
