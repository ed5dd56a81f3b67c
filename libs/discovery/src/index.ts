export { type BreakerConfig, type BreakerState, breakerStates } from './breaker.ts'
export { createDoor, type Door, type DoorOptions, type Listener } from './door.ts'
export { type BreakerView, createHop, type Hop, type HopOptions, originOf } from './hop.ts'
export { HopError, type HopErrorCode } from './hop-error.ts'
export type { Discovery, Instance } from './port.ts'
export { type ChangedRow, createReconcile, type NotTaken, type ReconcileOptions } from './reconcile.ts'
export {
  createRestClient,
  type RestClient,
  type RestClientOptions,
  type RestRequest,
  type RestResponse,
} from './rest-client.ts'
export { createStaticDiscovery } from './static.ts'
export type { HopRequest, HopResponse } from './upstream.ts'
