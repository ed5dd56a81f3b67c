import fc from 'fast-check'
import type { Random } from '../random.ts'
import { cronText, zoneText } from './cron-texts.ts'

/** JSON Schema, as far as the generator reads it. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly propertyNames?: JsonSchema
  readonly items?: JsonSchema
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly exclusiveMaximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly examples?: readonly unknown[]
}

/** Looks up `#/components/schemas/Name` and the like. */
export type Lookup = (ref: string) => JsonSchema

function timeText(random: Random): string {
  return new Date(Date.now() + random.between(3600, 40_000_000) * 1000).toISOString()
}

function pastText(random: Random): string {
  return new Date(Date.now() - random.between(1, 90_000) * 1000).toISOString()
}

const durationText = (random: Random) => `${random.between(1, 90)}${random.oneOf(['s', 'm', 'h'])}`

/** Texts that a property of this name means, whatever its schema says of it. */
const textsByName: Readonly<Record<string, (random: Random) => string>> = {
  cron: cronText,
  schedule: cronText,
  timezone: zoneText,
  ...Object.fromEntries(['startAt', 'endAt', 'runAt', 'until', 'nextRunBefore', 'to'].map((name) => [name, timeText])),
  ...Object.fromEntries(['from', 'at'].map((name) => [name, pastText])),
  ...Object.fromEntries(['jitter', 'within', 'expiresAfter', 'maxDelay'].map((name) => [name, durationText])),
  scheduledTime: (random) => timeText(random).slice(0, 19),
  every: (random) => `${random.between(1, 90)}${random.oneOf(['h', 'd'])}`,
  delay: durationText,
  timeout: (random) => `${random.between(1, 59)}s`,
  jobType: (random) => random.oneOf(['DUMMY', 'DUMMY', 'DUMMY', 'REPORT', 'HTTP_CALL']),
  url: () => 'https://example.com/hook',
}

const plain = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.:/äß漢😀"\\'
const letters = [...plain]
/** Longest text and list of a valid value: the long ones are hostile. */
const usualLength = 40
const usualItems = 4
/** How deep a value without a schema may lie. */
const freeDepth = 3

const samplesOf = new Map<string, readonly string[]>()

/** Texts that a pattern fits; the same ones each time. */
function textOf(pattern: string, random: Random): string {
  let samples = samplesOf.get(pattern)
  if (!samples) {
    samples = fc.sample(fc.stringMatching(new RegExp(pattern.replace('(?=(?:.{4})+$)', ''), 'u')), {
      numRuns: 40,
      seed: 1,
    })
    samplesOf.set(pattern, samples)
  }
  return random.oneOf(samples)
}

const formats: Readonly<Record<string, (random: Random) => string>> = {
  'date-time': timeText,
  date: (random) => timeText(random).slice(0, 10),
  uri: () => 'https://example.com/',
  'uri-reference': () => '/jobs',
  email: () => 'someone@example.com',
}

function text(schema: JsonSchema, name: string, random: Random): string {
  const byName = schema.pattern === undefined ? textsByName[name] : undefined
  if (byName && random.fraction() < 0.95) return byName(random)
  if (schema.pattern !== undefined) return textOf(schema.pattern, random)
  const format = schema.format === undefined ? undefined : formats[schema.format]
  if (format) return format(random)
  const least = schema.minLength ?? 0
  const most = Math.max(least, Math.min(schema.maxLength ?? usualLength, usualLength))
  return Array.from({ length: random.between(least, most) }, () => random.oneOf(letters))
    .join('')
    .slice(0, most)
    .toWellFormed()
}

function number(schema: JsonSchema, isWhole: boolean, random: Random): number {
  const least = schema.minimum ?? (schema.exclusiveMinimum === undefined ? 0 : schema.exclusiveMinimum + 1)
  const most = schema.maximum ?? (schema.exclusiveMaximum === undefined ? least + 1000 : schema.exclusiveMaximum - 1)
  const edge = random.fraction()
  if (edge < 0.1) return least
  if (edge < 0.2) return most
  const span = Math.min(most - least, 1e6)
  return isWhole ? least + Math.floor(random.fraction() * span) : least + random.fraction() * span
}

/** Any JSON value. */
export function freeValue(random: Random, depth = freeDepth): unknown {
  const kind = random.between(0, depth > 0 ? 6 : 4)
  if (kind === 0) return null
  if (kind === 1) return random.fraction() < 0.5
  if (kind === 2) return random.between(-1000, 1000)
  if (kind === 3) return random.fraction() * 1e6
  if (kind === 4) return text({}, '', random)
  const members = Array.from({ length: random.between(0, usualItems) }, () => freeValue(random, depth - 1))
  return kind === 5 ? members : Object.fromEntries(members.map((one, at) => [`k${at}`, one]))
}

/** Draws values that fit schemas; refinements that JSON Schema cannot say are not known to it. */
export function createValues(lookup: Lookup) {
  const choice = (choices: readonly JsonSchema[], name: string, random: Random) =>
    draw(random.oneOf(choices), random, name)

  function members(schema: JsonSchema, random: Random): Record<string, unknown> {
    const drawn: Record<string, unknown> = {}
    const required = new Set(schema.required)
    const optional = random.fraction()
    for (const [name, one] of Object.entries(schema.properties ?? {})) {
      if (required.has(name) || random.fraction() < optional * 0.6) drawn[name] = draw(one, random, name)
    }
    const { additionalProperties: more } = schema
    if (more !== undefined && more !== false) {
      for (let left = random.between(0, 3); left > 0; left--) {
        const name = schema.propertyNames ? draw(schema.propertyNames, random, '') : `x${random.between(0, 99)}`
        drawn[String(name)] = more === true ? freeValue(random) : draw(more, random, '')
      }
    }
    return drawn
  }

  function draw(schema: JsonSchema, random: Random, name = ''): unknown {
    if (schema.$ref !== undefined) return draw(lookup(schema.$ref), random, name)
    if ('const' in schema) return schema.const
    if (schema.enum) return random.oneOf(schema.enum)
    const choices = schema.anyOf ?? schema.oneOf
    if (choices) return choice(choices, name, random)
    if (schema.allOf) {
      const parts = schema.allOf.map((one) => draw(one, random, name))
      return parts.every((one) => typeof one === 'object') ? Object.assign({}, ...parts) : parts[0]
    }
    const type = typeof schema.type === 'object' ? random.oneOf(schema.type) : schema.type
    if (schema.examples && random.fraction() < 0.3) return random.oneOf(schema.examples)
    switch (type) {
      case 'object':
        return members(schema, random)
      case 'array': {
        const least = schema.minItems ?? 0
        const most = Math.max(least, Math.min(schema.maxItems ?? usualItems, usualItems))
        return Array.from({ length: random.between(least, most) }, () => draw(schema.items ?? {}, random, name))
      }
      case 'string':
        return text(schema, name, random)
      case 'integer':
        return number(schema, true, random)
      case 'number':
        return number(schema, false, random)
      case 'boolean':
        return random.fraction() < 0.5
      case 'null':
        return null
      default:
        return schema.properties ? members(schema, random) : freeValue(random)
    }
  }
  return draw
}
export type DrawValue = ReturnType<typeof createValues>
