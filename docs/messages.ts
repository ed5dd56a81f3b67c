import { envelope, topics } from '@belfry/contracts'
import { z } from 'zod'

type Schema = Record<string, unknown> & {
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  type?: string
}

function shown(value: unknown): string {
  return `\`${JSON.stringify(value)}\``
}

/** The type of a field in a few words. */
function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return shown(schema.const)
  if (schema.enum) return schema.enum.map(shown).join(' ')
  const branches = schema.anyOf ?? schema.oneOf
  if (branches) return branches.map(typeOf).join(' or ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`
  return schema.type ?? 'any JSON'
}

/** Fields of an object, those of objects inside it by their path. */
function fieldsOf(schema: Schema, above = ''): string[] {
  const inside = schema.type === 'array' ? (schema.items ?? {}) : schema
  const path = schema.type === 'array' ? `${above}[]` : above
  return Object.entries(inside.properties ?? {}).flatMap(([name, field]) => {
    const full = path ? `${path}.${name}` : name
    return [`| \`${full}\` | ${typeOf(field)} |`, ...fieldsOf(field, full)]
  })
}

function tableOf(schema: z.ZodType): string[] {
  const json = z.toJSONSchema(schema, { unrepresentable: 'any' }) as Schema
  const branches = json.oneOf ?? json.anyOf
  const rows = branches ? [...new Set(branches.flatMap((branch) => fieldsOf(branch)))] : fieldsOf(json)
  return ['| field | type |', '|---|---|', ...rows, '']
}

const about: Record<keyof typeof topics, string> = {
  'job-changes': "job-service to the scheduler: a job's whole state at its newest version.",
  'job-execute': 'scheduler and job-service to the executors: the one command there is, repeated until it is answered.',
  'job-status': "executors to job-service and the scheduler: an execution's whole state; the newest `seq` wins.",
  'job-dead-letter': 'an execution that failed for good, or a message that cannot be read.',
}

/** The four topics as Markdown. */
export function describeMessages(): string {
  const sections = Object.entries(topics).flatMap(([name, schema]) => [
    `## ${name}`,
    '',
    about[name as keyof typeof topics],
    '',
    ...tableOf(schema),
  ])
  return [
    '# Messages',
    '',
    'Generated from the schemas in `libs/contracts`: `npm run docs`. All topics are keyed by job id. Times are epoch',
    'milliseconds, durations milliseconds. A message is a nudge: it may be lost, come twice or late, and the result is the same.',
    '',
    ...sections,
    '## Envelope',
    '',
    "Travels in the message's headers.",
    '',
    ...tableOf(envelope),
  ].join('\n')
}
