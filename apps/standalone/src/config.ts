import { authConfig } from '@belfry/auth-service'
import { executorConfig } from '@belfry/executor-service'
import { gatewayConfig } from '@belfry/gateway'
import { jobConfig } from '@belfry/job-service'
import { schedulerConfig } from '@belfry/scheduler-service'
import { configKey, logLevelNames } from '@belfry/service'
import { z } from 'zod'

/** What the process itself reads from the environment, each with the prefix `BELFRY_` (operations.md, configuration). */
const processConfig = z.object({
  /** Where everything is kept; one process at a time. */
  dataDir: z.string().min(1).default('./data'),
  logLevel: z.enum(logLevelNames).default('info'),
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
export type StandaloneConfig = z.output<typeof standaloneConfig>
