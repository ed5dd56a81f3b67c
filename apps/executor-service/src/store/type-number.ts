/**
 * A job type as a number of 32 bits for an index (FNV-1a). Two types may share one: what is found by it is compared with the
 * types of the executor once it is read.
 */
export function typeNumber(jobType: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < jobType.length; index += 1) hash = Math.imul(hash ^ jobType.charCodeAt(index), 0x01000193)
  return hash >>> 0
}
