import { authConfig } from '@belfry/auth-service'
import { executorConfig } from '@belfry/executor-service'
import { gatewayConfig } from '@belfry/gateway'
import { jobConfig } from '@belfry/job-service'
import { schedulerConfig } from '@belfry/scheduler-service'
import { clockWatchConfig, configKey, logLevelNames } from '@belfry/service'
import { z } from 'zod'

/** What the process itself reads from the environment, each with the prefix `BELFRY_` (operations.md, configuration). */
const processConfig = z.object({
  /** Where everything is kept; one process at a time. */
  dataDir: z.string().min(1).default('./data'),
  logLevel: z.enum(logLevelNames).default('info'),
  ...clockWatchConfig,
  /**
   * Threads for password hashing, files and name lookups (libuv's pool; in place of UV_THREADPOOL_SIZE). Name lookups get at
   * most half of them.
   */
  threads: z.coerce.number().int().min(4).max(1024).default(16),
})

/** The configuration of the process and of the five services, as one flat list of keys. */
export const standaloneConfig = z
  .object({
    ...processConfig.shape,
    ...gatewayConfig.shape,
    ...authConfig.shape,
    ...jobConfig.shape,
    ...schedulerConfig.shape,
    ...executorConfig.shape,
    mode: z.literal('standalone', 'is not built yet: only "standalone" is').default('standalone'),
  })
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
export type StandaloneConfig = z.output<typeof standaloneConfig>
