import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { authConfig } from '@belfry/auth-service'
import {
  busConfig,
  distributedConfig,
  distributedSchema,
  processConfig,
  secretsConfig,
  storeConfig,
} from '@belfry/bootstrap'
import type { ServiceName } from '@belfry/contracts'
import { executorConfig } from '@belfry/executor-service'
import { gatewayConfig } from '@belfry/gateway'
import { jobConfig } from '@belfry/job-service'
import { schedulerConfig } from '@belfry/scheduler-service'
import { configKey, configKeys } from '@belfry/service'
import { standaloneConfig } from '@belfry/standalone'
import { z } from 'zod'

const root = join(import.meta.dirname, '..')

const services: Record<ServiceName, z.ZodRawShape> = {
  gateway: gatewayConfig.shape,
  'auth-service': authConfig.shape,
  'job-service': jobConfig.shape,
  'scheduler-service': schedulerConfig.shape,
  'executor-service': executorConfig.shape,
}
const processes = Object.entries(services).map(([service, fields]) => ({
  service,
  schema: distributedSchema(service as ServiceName, fields),
}))

interface Section {
  readonly title: string
  /** Where its fields are defined; the comments there are what the table says. */
  readonly files: readonly string[]
  readonly shape: z.ZodRawShape
  /** Its keys stand in it although another section has them, with another default. */
  readonly isOfOneMode?: boolean
}

const { dataDir, mode, busUrl, registryUrl, storeUrl } = standaloneConfig.shape
const bootstrap = 'libs/bootstrap/src/config.ts'

const sections: readonly Section[] = [
  { title: 'Every process', files: [bootstrap, 'libs/service/src/clock-watch.ts'], shape: processConfig },
  {
    title: 'Standalone: all services in one process',
    files: ['apps/standalone/src/config.ts'],
    shape: { dataDir, mode, busUrl, registryUrl, storeUrl },
    isOfOneMode: true,
  },
  {
    title: 'Distributed: each service in processes of its own',
    files: [bootstrap, 'libs/discovery/src/client/peer-clocks.ts'],
    shape: { ...distributedConfig, ...busConfig, ...secretsConfig, ...storeConfig },
    isOfOneMode: true,
  },
  {
    title: 'Every service that deletes what is old',
    files: ['libs/service/src/retention-clock.ts'],
    shape: standaloneConfig.shape,
  },
  {
    title: 'Every service that has event streams',
    files: ['libs/http/src/stream-config.ts'],
    shape: standaloneConfig.shape,
  },
  {
    title: 'Every service that records requests',
    files: ['libs/audit/src/config.ts'],
    shape: standaloneConfig.shape,
  },
  ...Object.entries(services).map(([service, shape]) => ({
    title: service,
    files: [`apps/${service}/src/config.ts`],
    shape,
  })),
]

/** Fields of a config source in order, each with the comment above it; a field without one has no text of its own. */
function readFields(source: string): { name: string; text: string }[] {
  const fields: { name: string; text: string }[] = []
  let text = ''
  for (const part of source.matchAll(/\/\*\*([\s\S]*?)\*\/|^ {2}(\w+): /gm)) {
    const [, comment, name] = part
    if (comment !== undefined)
      text = comment
        .replace(/^\s*\* ?/gm, '')
        .replace(/\s+/g, ' ')
        .trim()
    else if (name) {
      fields.push({ name, text })
      text = ''
    }
  }
  return fields
}

function defaultOf(field: unknown): string {
  const { type, defaultValue: input } = (field as { def: { type: string; defaultValue?: unknown } }).def
  if (type === 'optional') return 'none'
  return input === undefined ? 'required' : `\`${input}\``
}

/** The processes of a distributed Belfry that read the key; the one process of standalone reads every key that has no secret. */
function readersOf(name: string): string {
  const readers = processes.filter(({ schema }) => name in schema.shape).map(({ service }) => service)
  return readers.length === processes.length ? 'all' : readers.join(', ')
}

/** The reference of all keys, as Markdown. */
export async function describeConfiguration(): Promise<string> {
  const seen = new Set<string>()
  const lines: string[] = []
  for (const { title, files, shape, isOfOneMode = false } of sections) {
    const sources = await Promise.all(files.map((file) => readFile(join(root, file), 'utf8')))
    const fields = new Map(sources.flatMap(readFields).map((field) => [field.name, field]))
    const fresh = [...fields.values()].filter(({ name }) => name in shape && (isOfOneMode || !seen.has(name)))
    for (const { name, text } of fresh) if (text !== '') seen.add(name)
    const isStandalone = title.startsWith('Standalone')
    const rows = fresh.map(({ name, text }) => {
      const keys = configKeys(z.object({ [name]: shape[name] as z.ZodType })).map((key) => `\`${key}\``)
      const readers = isStandalone ? '' : ` ${readersOf(name)} |`
      return `| ${keys.join(', ')} | ${defaultOf(shape[name])} |${readers} ${text.replaceAll('|', '\\|')} |`
    })
    const head = isStandalone
      ? ['| key | default | |', '|---|---|---|']
      : ['| key | default | read by | |', '|---|---|---|---|']
    lines.push(`## ${title}`, '', ...head, ...rows, '')
  }
  const all = [...Object.keys(standaloneConfig.shape), ...processes.flatMap(({ schema }) => Object.keys(schema.shape))]
  const missing = all.filter((name) => !seen.has(name))
  if (missing.length > 0) throw new Error(`no comment of its own describes ${missing.map(configKey).join(', ')}`)
  const head = [
    '# Configuration',
    '',
    'Generated from the schemas: `npm run docs`. By environment only; an unknown `BELFRY_` key is an error that names the',
    'nearest known one, and every invalid value is reported at once. A secret may stand in a file instead, which the same key',
    'with `_FILE` names.',
    '',
    '"read by" names the processes of a distributed Belfry that read a key; the one process of `npm start` reads all keys but',
    'those of the section on the distributed mode. One file of settings serves all processes: each passes over the keys of the',
    'others.',
    '',
  ]
  return [...head, ...lines].join('\n')
}
