import type { ServiceName } from '@belfry/contracts'
import { peerClocksConfig } from '@belfry/discovery'
import { clockWatchConfig, logLevelNames, secretKey } from '@belfry/service'
import { z } from 'zod'

const count = (byDefault: number, least = 1) => z.coerce.number().int().min(least).default(byDefault)

/** The breakers of all calls from service to service. */
export const breakerConfig = {
  /** Time to the first byte of a service's answer, milliseconds. */
  breakerTimeoutMs: count(3_000),
  /** A breaker opens when more than this share of the calls to an instance fails, percent. */
  breakerErrorPercent: count(50).refine((percent) => percent <= 100, 'must be at most 100'),
  /** How long it stays open before one call may try, milliseconds. */
  breakerResetMs: count(10_000),
}

/** How a process stops. */
export const shutdownConfig = {
  /** How long attempts may go on after the process begins to stop, milliseconds. */
  shutdownGraceMs: count(30_000, 0),
}

/** The settings of every process, each with the prefix `BELFRY_` (docs/configuration.md). */
export const processConfig = {
  /** The least level that is logged: trace, debug, info, warn, error, fatal, or silent for nothing at all. */
  logLevel: z.enum(logLevelNames).default('info'),
  ...clockWatchConfig,
  /**
   * Threads for password hashing, files and name lookups (libuv's pool; in place of UV_THREADPOOL_SIZE). Name lookups get at
   * most half of them.
   */
  threads: z.coerce.number().int().min(4).max(1024).default(16),
  ...breakerConfig,
  ...shutdownConfig,
}
export type ProcessConfig = z.output<z.ZodObject<typeof processConfig>>

/** A URL with one of the schemes; the error does not show it, because it may hold a password. */
function urlWith(schemes: readonly string[], example: string) {
  const hint = `such as "${example}"`
  return z
    .string()
    .refine(
      (url) => schemes.some((scheme) => url.startsWith(`${scheme}://`) && url.length > scheme.length + 3),
      `must be a URL of ${schemes.map((scheme) => `${scheme}:`).join(' or ')} in a service's own process, ${hint}`,
    )
}

const topicName = (name: string) =>
  z
    .string()
    .regex(/^[a-zA-Z0-9._-]{1,249}$/, 'is not the name of a Kafka topic: letters, digits, ".", "_" and "-"')
    .default(name)

const storeSchemes = ['mongodb', 'mongodb+srv']
const storeUrl = () => urlWith(storeSchemes, 'mongodb://127.0.0.1:27017').optional().meta({ isSecret: true })

/** What a service reads that has a process of its own. Its store's URLs are in `storeKeys`. */
export const distributedConfig = {
  ...peerClocksConfig,
  /** Must be set to `distributed`: a service that wrongly took itself for the only one would take over the work of all others. */
  mode: z
    .literal(
      'distributed',
      'must be "distributed" in a service\'s own process: "standalone" is one process with all services, which "npm start" runs',
    )
    .meta({
      whenMissing:
        'set it to "distributed" for a service in its own process; "npm start" runs all services in one process',
    }),
  /** The registry: a Consul agent, and the prefix of the services' names in it, `consul://host:port/belfry`. */
  registryUrl: urlWith(['consul'], 'consul://127.0.0.1:8500').meta({
    whenMissing: 'such as "consul://127.0.0.1:8500"',
  }),
  /** The key that signs the calls between services and what they register: a random text of at least 32 bytes, the same in every process. */
  serviceKey: secretKey(),
  /** The address that other processes reach this one by. Default: where it listens, or the first address of the machine when it listens on all. */
  advertiseHost: z.string().min(1).optional(),
  /** Its port. Default: the one that it listens on. */
  advertisePort: z.coerce.number().int().min(1).max(65_535).optional(),
}

/** What a service reads that sends or takes messages. */
export const busConfig = {
  /** The bus: Kafka's first brokers, `kafka://host:port,host:port`. */
  busUrl: urlWith(['kafka'], 'kafka://127.0.0.1:9092').meta({ whenMissing: 'such as "kafka://127.0.0.1:9092"' }),
  /** The key that signs the messages on the bus: a random text of at least 32 bytes, the same in every process. */
  busKey: secretKey(),
  /** The name at the brokers of the topic on which job-service publishes jobs and their changes. */
  busTopicChanges: topicName('job-changes'),
  /**
   * The name at the brokers of the topic with the commands to the executors; `scheduled-jobs-topic`, `job-execution-requests`, or whatever the key `kafka.topic.jobs`
   * of another scheduler names (docs/guide/http-conventions.md).
   */
  busTopicExecute: topicName('job-execute'),
  /** The name at the brokers of the topic on which executors publish the states of executions. */
  busTopicStatus: topicName('job-status'),
  /** The name at the brokers of the topic for executions that failed for good, and for messages that cannot be read. */
  busTopicDeadLetter: topicName('job-dead-letter'),
  /** Partitions of a topic that has to be made. No more instances of a service than this take its messages. */
  busPartitions: count(12),
  /** Copies of each partition of a topic that has to be made. Default: the brokers' own default. */
  busReplication: z.coerce.number().int().min(1).optional(),
}
export type BusConfig = z.output<z.ZodObject<typeof busConfig>>

/** A URL that ends with its host and port, or with the slash after them. */
export function isOrigin(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && ['http:', 'https:'].includes(url.protocol) && `${url.origin}/` === url.href
}

/** Where browsers and programs reach Belfry: the gateway, and what job-service writes into messages. */
export const publicAddress = z
  .string()
  .refine(isOrigin, 'is not an address such as "https://belfry.example": http or https, no user, no path')
  .transform((text) => new URL(text).origin)
  .optional()

/** What job-service reads that seals texts. */
export const secretsConfig = {
  /**
   * The key that seals the values of secrets and the keys of webhooks in the store: a random text of at least 32 bytes, the same in every process
   * of job-service.
   */
  secretsKey: secretKey(),
}

const busServices: readonly ServiceName[] = ['job-service', 'scheduler-service', 'executor-service']

/** Whether a service sends or takes messages. */
export function hasBus(service: ServiceName): boolean {
  return busServices.includes(service)
}

/** The services that own a store, by the noun in their keys. */
const storeNouns = {
  'auth-service': 'auth',
  'job-service': 'job',
  'scheduler-service': 'scheduler',
  'executor-service': 'executor',
} as const
type StoreService = keyof typeof storeNouns
export type StoreNoun = (typeof storeNouns)[StoreService]

export function storeNounOf(service: ServiceName): StoreNoun | undefined {
  return service === 'gateway' ? undefined : storeNouns[service]
}

/** The store's URL: of all services, and of each one. */
export const storeConfig = {
  /**
   * MongoDB, for all services: `mongodb://host:port`, where each takes a database of its own, `belfry-job`. A database in the
   * path is the prefix of their names: `mongodb://host:port/test` gives `test-job`.
   */
  storeUrl: storeUrl(),
  /** MongoDB for auth-service alone; the database in the path is taken as it is. */
  authStoreUrl: storeUrl(),
  /** MongoDB for job-service alone; the database in the path is taken as it is. */
  jobStoreUrl: storeUrl(),
  /** MongoDB for scheduler-service alone; the database in the path is taken as it is. */
  schedulerStoreUrl: storeUrl(),
  /** MongoDB for executor-service alone; the database in the path is taken as it is. */
  executorStoreUrl: storeUrl(),
}

const prefixes: Record<ServiceName, string> = {
  gateway: 'GATEWAY',
  'auth-service': 'AUTH',
  'job-service': 'JOB',
  'scheduler-service': 'SCHEDULER',
  'executor-service': 'EXECUTOR',
}

/** Keys without a service's prefix that only some of the services read. */
const unprefixedKeys = [
  'BELFRY_BOOTSTRAP_TOKEN',
  'BELFRY_BOOTSTRAP_TOKEN_FILE',
  'BELFRY_DATA_DIR',
  'BELFRY_HOST',
  'BELFRY_PORT',
  'BELFRY_PUBLIC_URL',
  'BELFRY_TIMEZONE',
  'BELFRY_RETENTION_*',
  'BELFRY_AUDIT_*',
  'BELFRY_STREAM*',
  'BELFRY_SECRETS_*',
  'BELFRY_SMTP_*',
  'BELFRY_STORE_URL',
  'BELFRY_STORE_URL_FILE',
]

/**
 * Keys that a service's process lets pass although it does not read them: one file of settings serves all services. A key
 * with the prefix of a service is checked by that service's process.
 */
export function keysOfOthers(service: ServiceName): string[] {
  const others = Object.entries(prefixes).filter(([name]) => name !== service)
  return [
    ...others.map(([, prefix]) => `BELFRY_${prefix}_*`),
    ...unprefixedKeys,
    ...(hasBus(service) ? [] : ['BELFRY_BUS_*']),
  ]
}

/** The fields that one service's process reads for its store: the shared URL and its own. */
function storeFields(noun: StoreNoun | undefined): z.ZodRawShape {
  if (noun === undefined) return {}
  return { storeUrl: storeConfig.storeUrl, [`${noun}StoreUrl`]: storeConfig[`${noun}StoreUrl`] }
}

export type DistributedConfig = z.output<z.ZodObject<typeof distributedConfig>> & ProcessConfig

/**
 * The schema of a service's own process: the service's `fields` with what every process reads. `rules` check fields
 * against each other.
 */
export function distributedSchema(service: ServiceName, fields: z.ZodRawShape, rules: ConfigRules = () => undefined) {
  const noun = storeNounOf(service)
  return z
    .object({
      ...fields,
      ...processConfig,
      ...distributedConfig,
      ...(hasBus(service) ? busConfig : {}),
      ...(service === 'job-service' ? secretsConfig : {}),
      ...storeFields(noun),
    })
    .refine((config: Record<string, unknown>) => !noun || Boolean(config.storeUrl ?? config[`${noun}StoreUrl`]), {
      path: ['storeUrl'],
      message: `is required: such as "mongodb://127.0.0.1:27017", or BELFRY_${noun?.toUpperCase()}_STORE_URL for this service only`,
      // Reported beside the issues of other fields.
      when: () => true,
    })
    .superRefine((config, context) => rules(config as never, context))
}

/** Reports issues between the fields of a configuration. */
export type ConfigRules<Config = never> = (config: Config, context: z.core.$RefinementCtx) => void
