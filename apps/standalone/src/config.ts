import { authConfig } from '@belfry/auth-service'
import { executorConfig } from '@belfry/executor-service'
import { gatewayConfig } from '@belfry/gateway'
import { isLoopbackHost } from '@belfry/http'
import { jobConfig } from '@belfry/job-service'
import { schedulerConfig } from '@belfry/scheduler-service'
import { clockWatchConfig, configKey, logLevelNames } from '@belfry/service'
import { z } from 'zod'

/** The settings of the process itself, each with the prefix `BELFRY_` (operations.md, configuration). */
const processConfig = z.object({
  /** The folder of all data; one process at a time. */
  dataDir: z.string().min(1).default('./data'),
  /** The least level that is logged: trace, debug, info, warn, error, fatal, or silent for nothing at all. */
  logLevel: z.enum(logLevelNames).default('info'),
  ...clockWatchConfig,
  /**
   * Threads for password hashing, files and name lookups (libuv's pool; in place of UV_THREADPOOL_SIZE). Name lookups get at
   * most half of them.
   */
  threads: z.coerce.number().int().min(4).max(1024).default(16),
})

const services = z.object({
  ...processConfig.shape,
  ...gatewayConfig.shape,
  ...authConfig.shape,
  ...jobConfig.shape,
  ...schedulerConfig.shape,
  ...executorConfig.shape,
  /** One process with all services, or each service in processes of its own; only standalone is built. */
  mode: z.literal('standalone', 'is not built yet: only "standalone" is').default('standalone'),
})

/** The addresses of listeners that accept calls of users. */
const hostKeys = ['host', 'authHost', 'jobHost', 'schedulerHost', 'executorHost'] as const

/**
 * The configuration of the process and of the five services, as one flat list of keys. On a machine that the network
 * reaches, jobs must not call private addresses: each user could reach what only this machine can (security.md, defaults).
 */
export const standaloneConfig = services
  .refine(({ jobFenceTimeoutMs, breakerTimeoutMs }) => jobFenceTimeoutMs < breakerTimeoutMs, {
    path: ['jobFenceTimeoutMs'],
    message: `must be below ${configKey('breakerTimeoutMs')}: a slow executor is to give 202, not 504`,
  })
  .refine(({ executorLookups, threads }) => 2 * executorLookups <= threads, {
    path: ['executorLookups'],
    message: `must be at most half of ${configKey('threads')}: the system's resolver gets no more threads`,
  })
  .refine(({ executorLookups, executorOwnerLookups }) => executorOwnerLookups < executorLookups, {
    path: ['executorOwnerLookups'],
    message: `must be below ${configKey('executorLookups')}: others must find a free one`,
  })
  .superRefine((config, context) => {
    const open = hostKeys.find((key) => !isLoopbackHost(config[key]))
    if (open === undefined || !config.executorAllowPrivate) return
    const message = `must not be true while ${configKey(open)} is ${config[open]}, which the network reaches: leave it false, or listen on 127.0.0.1`
    context.addIssue({ code: 'custom', path: ['executorAllowPrivate'], message })
  })
export type StandaloneConfig = z.output<typeof standaloneConfig>
