export { createTestCalls, createTestServiceTokens, type TestCallsOptions } from './calls.ts'
export { createTestDeps, type TestDeps, type TestDepsOptions } from './deps.ts'
export { createDocuments, type Document, type Documents, type DocumentsOptions } from './documents.ts'
export { createFailingStore, type FailingStore, type Failure } from './failures.ts'
export { frozen } from './frozen.ts'
export { createLossyBus } from './lossy-bus.ts'
export {
  sampleJobChanges,
  sampleJobExecute,
  sampleJobStatus,
  samplePolicy,
  sampleSpec,
  sampleTime,
} from './messages.ts'
export { dropMongoDatabase } from './mongo.ts'
export { type Peer, peerUrl, peerVariables, uniqueName } from './peers.ts'
export { createTcpProxy, type TcpProxy, type TcpProxyMode, type TcpProxyOptions } from './tcp-proxy.ts'
export {
  createTestKey,
  createTestTokens,
  encodePart,
  forgeToken,
  type TestClaims,
  type TestKey,
  type TestTokens,
} from './tokens.ts'
