import { authConfig } from '@belfry/auth-service'
import { processConfig } from '@belfry/bootstrap'
import { executorConfig, executorRules } from '@belfry/executor-service'
import { gatewayConfig } from '@belfry/gateway'
import { isLoopbackHost } from '@belfry/http'
import { jobConfig, jobRules } from '@belfry/job-service'
import { schedulerConfig } from '@belfry/scheduler-service'
import { configKey } from '@belfry/service'
import { z } from 'zod'

const onlyHere = (url: string) =>
  `must be "${url}" in standalone mode: each service of a distributed Belfry is started by itself`

const services = z.object({
  /** The folder of all data; one process at a time. */
  dataDir: z.string().min(1).default('./data'),
  ...processConfig,
  ...gatewayConfig.shape,
  ...authConfig.shape,
  ...jobConfig.shape,
  ...schedulerConfig.shape,
  ...executorConfig.shape,
  /**
   * `standalone`: all services in one process, which `npm start` runs. A service in a process of its own needs
   * `distributed` here.
   */
  mode: z
    .literal('standalone', 'must be "standalone" here: each service of a distributed Belfry is started by itself')
    .default('standalone'),
  /** The bus of the one process; a distributed Belfry has Kafka. */
  busUrl: z.literal('memory:', onlyHere('memory:')).default('memory:'),
  /** The registry of the one process; a distributed Belfry has Consul. */
  registryUrl: z.literal('static:', onlyHere('static:')).default('static:'),
  /** The stores of the one process, files in BELFRY_DATA_DIR; a distributed Belfry has MongoDB. */
  storeUrl: z.literal('sqlite:', onlyHere('sqlite:')).default('sqlite:'),
})

/** The addresses of listeners that accept calls of users. */
const hostKeys = ['host', 'authHost', 'jobHost', 'schedulerHost', 'executorHost'] as const

/**
 * The configuration of the process and of the five services, as one flat list of keys. On a machine that the network
 * reaches, jobs must not call private addresses: each user could reach what only this machine can (docs/network.md).
 */
export const standaloneConfig = services
  .superRefine(jobRules)
  .superRefine(executorRules)
  .superRefine((config, context) => {
    const open = hostKeys.find((key) => !isLoopbackHost(config[key]))
    if (open === undefined) return
    const message = `must not be true while ${configKey(open)} is ${config[open]}, which the network reaches: leave it false, or listen on 127.0.0.1`
    for (const key of ['executorAllowPrivate', 'jobNotifyAllowPrivate'] as const)
      if (config[key]) context.addIssue({ code: 'custom', path: [key], message })
  })
export type StandaloneConfig = z.output<typeof standaloneConfig>
