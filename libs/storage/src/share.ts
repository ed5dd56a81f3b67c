/** Shards of the records of a store: many more than there are instances, so that their shares are about the same size. */
export const shardCount = 65_536

/** The shard of a record, from 0 up to 65,535, by its public id: FNV-1a with its 32 bits folded into 16. */
export function shardOf(id: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193)
  return ((hash >>> 16) ^ hash) & (shardCount - 1)
}

/**
 * One instance's share of what is due, among several instances of a service: the records with
 * `shardOf(id) % instances === index`. The shares of the others are left to them until `overdueAt`: a record that was due at
 * or before it (epoch milliseconds) belongs to every share, so that an instance that has died holds up nothing. Instances
 * that do not agree on their number take the same record; the compare-and-set decides.
 */
export interface WorkShare {
  readonly index: number
  readonly instances: number
  readonly overdueAt: number
}

/** The share of an instance that is alone: everything. */
export const soleShare: WorkShare = { index: 0, instances: 1, overdueAt: 0 }
