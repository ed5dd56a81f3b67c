import { StorageError } from '../errors.ts'

/** The address of a MongoDB server, cut where its database stands. */
interface MongoUrl {
  /** Scheme, credentials and hosts. */
  readonly origin: string
  /** Null when the URL names none. */
  readonly database: string | null
  /** The options with their `?`, or the empty text. */
  readonly options: string
}

const pattern = /^(mongodb(?:\+srv)?:\/\/(?:[^/?#@]*@)?[^/?#@]+)(?:\/([^/?#]*))?(\?[^#]*)?$/

/** Throws a `StorageError` (`failed`) that shows nothing of the URL, which may hold a password. */
export function parseMongoUrl(url: string): MongoUrl {
  const [, origin, database, options] = pattern.exec(url) ?? []
  if (origin === undefined)
    throw new StorageError(
      'failed',
      'the URL of the store is not mongodb://[<user>:<password>@]<host>[:<port>],…[/<database>][?<options>]',
    )
  return { origin, database: decodeURIComponent(database ?? '') || null, options: options ?? '' }
}

/** The hosts of a URL, without credentials: how messages and logs name a server. */
export function hostsOf(url: string): string {
  return parseMongoUrl(url).origin.replace(/^.*(?:@|\/\/)/, '')
}
