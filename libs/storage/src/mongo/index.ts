export type {
  Change,
  Collection,
  FindOptions,
  FindPageOptions,
  FoundPage,
  MongoRecord,
  Swap,
} from './collection-port.ts'
export { createCursorStore, cursorsCollection } from './cursors.ts'
export {
  type CollectionDefinition,
  defineCollection,
  type IndexDefinition,
  type MongoDatabase,
  type OpenMongoOptions,
  openMongo,
} from './database.ts'
export { type Condition, type Filter, type Update, where } from './filter.ts'
export { afterOthers } from './order.ts'
export { createPoisonStore, poisonCollection } from './poison.ts'
export { countWithin } from './reads.ts'
