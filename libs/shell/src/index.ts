export type { ServiceShellDeps } from './deps.ts'
export { createConsumerPart, createPeerLoopsPart } from './parts.ts'
export { createServiceShell, type ServiceShell, type ServiceShellOptions } from './shell.ts'
