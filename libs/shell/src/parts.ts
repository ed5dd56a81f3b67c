import { type ConsumerOptions, createConsumer } from '@belfry/bus'
import type { ServiceName, Topic } from '@belfry/contracts'
import type { Registry } from '@belfry/discovery'
import type { Loop, Part } from '@belfry/service'
import type { ServiceShellDeps } from './deps.ts'

type ConsumerDeps = Pick<
  ServiceShellDeps<Pick<ConsumerOptions<Topic>, 'poison'>, unknown>,
  'bus' | 'stores' | 'log' | 'metrics'
>

/** The service's consumer of a topic, in a group of the service's name. Poison is stored in the service's own store. */
export function createConsumerPart<T extends Topic>(
  { bus, stores, log, metrics }: ConsumerDeps,
  service: ServiceName,
  topic: T,
  handle: ConsumerOptions<T>['handle'],
): Part {
  const consumer = createConsumer({ bus, topic, group: service, handle, poison: stores.poison, log, metrics })
  return { name: topic, start: consumer.start, stop: consumer.stop }
}

/** Loops that call `peer`. They run at once when an instance of it registers, since what waited for it need not wait longer. */
export function createPeerLoopsPart(name: string, registry: Registry, peer: ServiceName, loops: readonly Loop[]): Part {
  let unwatch: (() => void) | undefined
  return {
    name,
    start() {
      for (const loop of loops) loop.start()
      unwatch = registry.watch(peer, (instances) => {
        if (instances.length > 0) for (const loop of loops) loop.nudge()
      })
    },
    async stop() {
      unwatch?.()
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}
