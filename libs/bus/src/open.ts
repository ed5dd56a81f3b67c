import type { Topic } from '@belfry/contracts'
import type { ServiceDeps } from '@belfry/service'
import { createMemoryBus } from './memory.ts'
import type { Bus } from './port.ts'

export interface OpenBusOptions extends ServiceDeps {
  /** Service and instance, for the envelope of each message. */
  readonly sender: string
  /** In one process: the groups that belong to each topic; see `MemoryBusOptions`. */
  readonly groups?: Partial<Record<Topic, readonly string[]>>
  /** The bus key, which signs every message that leaves the process. Without it none is signed. */
  readonly key?: string | Uint8Array
  /** Names of topics at the broker that differ from ours. */
  readonly topicNames?: Partial<Record<Topic, string>>
  /** Partitions of a topic that has to be made. */
  readonly partitions: number
  /** Copies of each partition of a topic that has to be made. Default: what the broker has as its default. */
  readonly replication?: number | undefined
}

/**
 * Opens the bus of a URL: `memory:`, or `kafka://host:port,host:port`. The broker need not be there. An adapter is loaded
 * when it is asked for, so one process loads no technology of the other mode. Rejects for any other URL.
 */
export async function openBus(url: string, options: OpenBusOptions): Promise<Bus> {
  if (url === 'memory:') return createMemoryBus(options)
  const brokers = /^kafka:\/\/([^/?#\s]+)\/?$/.exec(url)?.[1]?.split(',')
  if (!brokers?.every((one) => /^(?:[^:@]+|\[[0-9a-f:]+\]):\d{1,5}$/i.test(one)))
    throw new Error(`"${url}" is no address of a bus: "memory:" or "kafka://host:port,host:port"`)
  const { openKafkaBus } = await import('./kafka/index.ts')
  return openKafkaBus(brokers, options)
}
