import type { Ids } from '@belfry/service'

/** The name under which this executor owns its attempts: a new one for each start, and after it was taken for dead. */
export interface Identity {
  readonly name: string
  /** False while the name has no record, since this executor was taken for dead: nothing is claimed or started under it. */
  readonly isEnlisted: boolean
  /** Takes another name, once `enlist` has made its record. */
  renew(enlist: (name: string) => Promise<void>): Promise<void>
}

export function createIdentity(ids: Ids): Identity {
  const mint = () => `executor-${ids.uuid()}`
  const identity = {
    name: mint(),
    isEnlisted: true,
    async renew(enlist: (name: string) => Promise<void>) {
      identity.isEnlisted = false
      const next = mint()
      await enlist(next)
      identity.name = next
      identity.isEnlisted = true
    },
  }
  return identity
}
