export { createBase, createCalls, type ProcessBase, setThreads, version } from './base.ts'
export {
  breakerConfig,
  busConfig,
  type ConfigRules,
  type DistributedConfig,
  distributedConfig,
  distributedSchema,
  isOrigin,
  keysOfOthers,
  type ProcessConfig,
  processConfig,
  publicAddress,
  secretsConfig,
  shutdownConfig,
  storeConfig,
} from './config.ts'
export { explain, fail, StartError } from './explain.ts'
export { runService, type ServiceProcess, type ServiceProcessDeps } from './run-service.ts'
export { endOnUncaught, stopOnSignals } from './signals.ts'
