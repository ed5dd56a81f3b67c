import type { Ids } from '@belfry/service'

/** The name under which this executor owns its attempts: a new one for each start, and after it was taken for dead. */
export interface Identity {
  name(): string
  /** False while the name has no record, since this executor was taken for dead: nothing is claimed or started under it. */
  isEnlisted(): boolean
  /** Takes another name, once `enlist` has made its record. */
  renew(enlist: (name: string) => Promise<void>): Promise<void>
}

export function createIdentity(ids: Ids): Identity {
  const mint = () => `executor-${ids.uuid()}`
  let name = mint()
  let isEnlisted = true
  return {
    name: () => name,
    isEnlisted: () => isEnlisted,
    async renew(enlist) {
      isEnlisted = false
      const next = mint()
      await enlist(next)
      name = next
      isEnlisted = true
    },
  }
}
