export { type StandaloneConfig, standaloneConfig } from './config.ts'
export { AlreadyRunning, openStandalone, type Standalone, type StandaloneOptions } from './standalone.ts'
