export type { RowKey, Unpublished } from './backlog.ts'
export { type ArrivedMessage, type Codec, type CodecOptions, createCodec, type EncodedMessage } from './codec.ts'
export {
  type CommandPublisher,
  type CommandPublisherOptions,
  commandIds,
  createCommandPublisher,
} from './command-publisher.ts'
export {
  type Consumer,
  type ConsumerOptions,
  createConsumer,
  ignorePoison,
  type PoisonStore,
} from './consumer.ts'
export { createMemoryBus, type MemoryBusOptions } from './memory.ts'
export { type OpenBusOptions, openBus } from './open.ts'
export * from './port.ts'
export {
  type ChangedRow,
  type ChangeList,
  createReconciler,
  type FetchedRecords,
  type NotApplied,
  type Reconciler,
  type ReconcilerOptions,
} from './reconciler.ts'
export {
  createRelay,
  type PublishedMark,
  type Relay,
  type RelayOptions,
  type RelaySource,
  type UnpublishedPage,
} from './relay.ts'
export { createSharedSource } from './shared-source.ts'
