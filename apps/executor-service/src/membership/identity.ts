import type { Ids } from '@belfry/service'

/** The name under which this executor owns its attempts: a new one for each start, and after it was taken for dead. */
export interface Identity {
  name(): string
  /** Takes another name, once `enlist` has made its record: nothing is claimed under a name that has none. */
  renew(enlist: (name: string) => Promise<void>): Promise<void>
}

export function createIdentity(ids: Ids): Identity {
  const mint = () => `executor-${ids.uuid()}`
  let name = mint()
  return {
    name: () => name,
    async renew(enlist) {
      const next = mint()
      await enlist(next)
      name = next
    },
  }
}
