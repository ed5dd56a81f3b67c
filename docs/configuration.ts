import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { configKey } from '@belfry/service'
import { standaloneConfig } from '@belfry/standalone'

const root = join(import.meta.dirname, '..')

/** Where each part of the configuration is defined; the comments there are what the table says. */
const sources = [
  ['The process', 'apps/standalone/src/config.ts'],
  ['Every service that deletes what is old', 'libs/service/src/retention-clock.ts'],
  ['The clock watch of a process', 'libs/service/src/clock-watch.ts'],
  ['gateway', 'apps/gateway/src/config.ts'],
  ['auth-service', 'apps/auth-service/src/config.ts'],
  ['job-service', 'apps/job-service/src/config.ts'],
  ['scheduler-service', 'apps/scheduler-service/src/config.ts'],
  ['executor-service', 'apps/executor-service/src/config.ts'],
] as const

/** Fields of a config source in order, each with the comment above it; a comment stands for all fields that follow it. */
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
    else if (name) fields.push({ name, text })
  }
  return fields.filter(({ name }) => name in standaloneConfig.shape)
}

function defaultOf(name: string): string {
  const schema = standaloneConfig.shape[name as keyof typeof standaloneConfig.shape]
  const { type, defaultValue: input } = schema.def as { type: string; defaultValue?: unknown }
  if (type === 'optional') return 'none'
  return input === undefined ? 'required' : `\`${input}\``
}

/** The reference of all keys, as Markdown. */
export async function describeConfiguration(): Promise<string> {
  const seen = new Set<string>()
  const sections = await Promise.all(
    sources.map(async ([title, file]) => {
      const fields = readFields(await readFile(join(root, file), 'utf8'))
      return { title, fields }
    }),
  )
  const lines = sections.flatMap(({ title, fields }) => {
    const fresh = fields.filter(({ name }) => !seen.has(name))
    for (const { name } of fresh) seen.add(name)
    const rows = fresh.map(
      ({ name, text }) => `| \`${configKey(name)}\` | ${defaultOf(name)} | ${text.replaceAll('|', '\\|')} |`,
    )
    return [`## ${title}`, '', '| key | default | |', '|---|---|---|', ...rows, '']
  })
  const missing = Object.keys(standaloneConfig.shape).filter((name) => !seen.has(name))
  if (missing.length > 0) throw new Error(`no comment describes ${missing.join(', ')}`)
  const head = [
    '# Configuration',
    '',
    'Generated from the schemas: `npm run docs`. By environment only; an unknown `BELFRY_` key is an error that names the',
    'nearest known one, and every invalid value is reported at once.',
    '',
  ]
  return [...head, ...lines].join('\n')
}
