export { type BreakerConfig, type BreakerState, breakerStates } from './breaker.ts'
export { createListener, type Listener, type ListenerOptions, type ListeningApp } from './door.ts'
export { type Balancer, type BalancerOptions, type BreakerView, createBalancer, originOf } from './hop.ts'
export { ServiceCallError, type ServiceCallErrorCode } from './hop-error.ts'
export type { Instance, Registry } from './port.ts'
export { type ChangedRow, createReconcile, type NotTaken, type ReconcileOptions } from './reconcile.ts'
export {
  createRestClient,
  type RestClient,
  type RestClientOptions,
  type RestRequest,
  type RestResponse,
} from './rest-client.ts'
export { createStaticRegistry } from './static.ts'
export type { UpstreamRequest, UpstreamResponse } from './upstream.ts'
