import type { AuditStore } from './port.ts'

/**
 * Removes sealed rows whose last one was made before `before` (epoch milliseconds), with their seals, oldest first and `limit`
 * seals at most. The newest seal stays, so that numbers are never handed out twice and the chain goes on. Answers whether more may
 * be old.
 */
export async function removeOld(store: AuditStore, before: number, limit: number): Promise<boolean> {
  const oldest = await store.listSeals(0, limit + 1)
  const old = oldest.slice(0, -1).filter(({ lastAt }) => lastAt < before)
  for (const seal of old) await store.removeThrough(seal)
  return old.length === limit
}
