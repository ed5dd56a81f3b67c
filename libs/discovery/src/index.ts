export { type Balancer, type BalancerOptions, type BreakerView, createBalancer, originOf } from './client/balancer.ts'
export { type BreakerConfig, type BreakerState, breakerStates } from './client/breaker.ts'
export { type ClockView, createPeerClocks, type PeerClocksOptions, peerClocksConfig } from './client/peer-clocks.ts'
export {
  createRecordsClient,
  type RecordSchema,
  type RecordsClient,
  type RecordsClientOptions,
} from './client/records.ts'
export {
  createRestClient,
  type RestClient,
  type RestClientOptions,
  type RestRequest,
  type RestResponse,
} from './client/rest-client.ts'
export { ServiceCallError, type ServiceCallErrorCode } from './client/service-call-error.ts'
export type { UpstreamRequest, UpstreamResponse } from './client/upstream.ts'
export { defaultAdvertiseHost } from './registry/advertise.ts'
export {
  createListener,
  type ListenAddress,
  type Listener,
  type ListenerOptions,
  type ListeningApp,
} from './registry/listener.ts'
export { openRegistry, type RegistryOptions } from './registry/open.ts'
export { createPeerShare, type PeerShare, type PeerShareOptions } from './registry/peer-share.ts'
export { createPeerTurns } from './registry/peer-turns.ts'
export type { Instance, Registry } from './registry/port.ts'
export { createStaticRegistry, createStaticTable, type StaticTable } from './registry/static.ts'
