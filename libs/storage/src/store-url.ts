/**
 * The URL of one service's store, made of the URL that all services share (`BELFRY_STORE_URL`): a database in a MongoDB URL is a
 * prefix, `mongodb://host/test1` is `mongodb://host/test1-job` for the service `job`. A URL without a database stays as it is,
 * and the service takes its own (`belfry-job`). URLs of other schemes stay as they are.
 */
export function storeUrlOf(sharedUrl: string, service: 'auth' | 'job' | 'scheduler' | 'executor'): string {
  return sharedUrl.replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+\/[^/?]+)(?=\?|$)/, `$1-${service}`)
}
