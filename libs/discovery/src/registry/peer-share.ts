import type { ServiceName } from '@belfry/contracts'
import type { Instance, Registry } from './port.ts'

/** The place of one instance among the instances of its service, from 0. */
export interface PeerShare {
  readonly index: number
  readonly instances: number
}

export interface PeerShareOptions {
  readonly registry: Pick<Registry, 'instances' | 'own'>
  readonly service: ServiceName
}

function shareAmong(peers: readonly Instance[], own: Instance | undefined): PeerShare {
  const others = peers.filter(({ id }) => id !== own?.id)
  const index = own ? others.filter(({ id }) => id < own.id).length : others.length
  return { index, instances: others.length + 1 }
}

/**
 * Answers the place of this process's instance of a service, in the order of the instances' ids. The own instance always
 * counts: while the registry does not list it (it starts, it drains, its check fails), the places of the others cover all
 * work, and the own place overlaps with theirs. A gap would leave work to no instance. Before the listener has started, the own
 * id is not known and stands last.
 */
export function createPeerShare({ registry, service }: PeerShareOptions): () => PeerShare {
  let peers: readonly Instance[] | undefined
  let own: Instance | undefined
  let share: PeerShare = { index: 0, instances: 1 }
  return () => {
    const [peersNow, ownNow] = [registry.instances(service), registry.own(service)]
    if (peersNow !== peers || ownNow !== own) {
      peers = peersNow
      own = ownNow
      share = shareAmong(peers, own)
    }
    return share
  }
}
