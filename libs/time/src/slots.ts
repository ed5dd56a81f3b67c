/**
 * A stable number in [0, size) for a seed and a purpose: the slot that `H` stands for. FNV-1a with murmur3's finish, so
 * that ids which differ in one character are spread evenly.
 */
export function stableSlot(seed: string, purpose: string, size: number): number {
  let hash = 0x811c9dc5
  const text = `${purpose}\n${seed}`
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % size
}
