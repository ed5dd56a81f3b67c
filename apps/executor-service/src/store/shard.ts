/** Shards of the executions: many more than there are executors, so that their shares are about the same size. */
const shards = 65_536

/** The shard of an execution, from 0 up to 65,535, by its id: FNV-1a with its 32 bits folded into 16. */
export function shardOf(id: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193)
  return ((hash >>> 16) ^ hash) & (shards - 1)
}
