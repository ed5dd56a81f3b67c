export {
  type Change,
  type Collection,
  countWithin,
  type FindOptions,
  type FindPageOptions,
  type FoundPage,
  type MongoRecord,
  type Swap,
} from './collection.ts'
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
export { createPoisonStore, poisonCollection } from './poison.ts'
