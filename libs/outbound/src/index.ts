export type { Resolve } from './lookups.ts'
export { AddressBlocked, createCheckedLookup, createOutbound, type Outbound } from './outbound.ts'
export { readRetryAfter } from './retry-after.ts'
