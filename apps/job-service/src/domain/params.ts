import type { ParamWarning, ValidationIssue, Warning } from '@belfry/contracts'
import { nearestName } from '@belfry/service'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { compileLinearPattern, type LinearPattern } from './linear-pattern.ts'

/** Largest `params`, bytes of JSON in UTF-8 (docs/guide/jobs.md). */
export const paramsLimitBytes = 256 * 1024
/** A body with more issues than this is answered with the first ones. */
const issueLimit = 50
/** Longest name that an answer repeats. */
const shownNameLength = 100

/** Finds what is wrong with a job's params; nothing wrong: an empty list. Pointers begin with `/params`. */
export type ParamsCheck = (params: Record<string, unknown>) => ValidationIssue[]

/**
 * The formats that job types may ask for. Ajv takes a format that it does not know for satisfied, and its own package of
 * formats is not needed for these.
 */
const formats = {
  uri: (text: string) => URL.canParse(text),
  'date-time': (text: string) => !Number.isNaN(Date.parse(text)) && /T.*(Z|[+-]\d\d:\d\d)$/i.test(text),
  date: (text: string) => /^\d{4}-\d\d-\d\d$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text),
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  email: /^[^\s@]+@[^\s@]+$/,
}

/**
 * Ajv's engine of patterns, which are texts of the people who write handlers: none may hold up the service. What has no test in
 * linear time takes every text, and is left to the executor, which checks the params when the job runs.
 */
function linearOrAny(pattern: string): LinearPattern {
  try {
    return compileLinearPattern(pattern)
  } catch {
    return { test: () => true, toString: () => pattern }
  }
}
const regExp = Object.assign(linearOrAny, { code: 'linearOrAny' })

/** Checks schemas themselves. One for all of them: compiling the schema of schemas takes fifty times as long as compiling one. */
const schemas = new Ajv2020({ strict: false, logger: false })

/**
 * Compiles a job type's JSON Schema of params. The params are checked as they are: defaults are not filled in and types
 * not coerced, since the executor does that when it runs the job. Throws for what is no JSON Schema (2020-12).
 */
export function compileParamsCheck(schema: Record<string, unknown>): ParamsCheck {
  if (!schemas.validateSchema(schema)) throw new Error(schemas.errorsText(schemas.errors))
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: false,
    logger: false,
    addUsedSchema: false,
    validateSchema: false,
    formats,
    code: { regExp },
  })
  const validate: ValidateFunction = ajv.compile(schema)
  return (params) => {
    if (validate(params)) return []
    const errors = validate.errors ?? []
    const issues = errors.filter((error) => !isComposite(error)).map(toIssue)
    return withoutRepeats(issues.length > 0 ? issues : errors.map(toIssue)).slice(0, issueLimit)
  }
}

/** Several rules of one param may give the same issue (a pattern and a format): the first one is enough. */
function withoutRepeats(issues: readonly ValidationIssue[]): ValidationIssue[] {
  const seen = new Set<string>()
  return issues.filter(({ pointer, code }) => {
    const name = `${code} ${pointer}`
    return !seen.has(name) && seen.add(name)
  })
}

/** One without a test in linear time warns of nothing. */
function readWarning(rule: ParamWarning) {
  try {
    return [{ ...rule, expression: compileLinearPattern(rule.pattern, { ignoreCase: true }) }]
  } catch {
    return []
  }
}

/** The warnings of a job type about valid params. Its patterns are the executor's. */
export function compileParamWarnings(list: readonly ParamWarning[]): (params: Record<string, unknown>) => Warning[] {
  const rules = list.flatMap(readWarning)
  return (params) =>
    rules.flatMap(({ param, expression, code, detail }) => {
      const value = Object.hasOwn(params, param) ? params[param] : undefined
      return typeof value === 'string' && expression.test(value) ? [{ code, detail }] : []
    })
}

/** Says only that one of its parts failed; the issues of the parts say more. */
function isComposite(error: ErrorObject): boolean {
  return error.keyword === 'if' || error.keyword === 'anyOf' || error.keyword === 'oneOf'
}

/** Ajv's keywords as the codes that the API has for issues of form. */
const codes: Record<string, string> = {
  type: 'wrong-type',
  const: 'not-allowed',
  format: 'bad-format',
  pattern: 'bad-format',
  minLength: 'too-short',
  maxLength: 'too-long',
  minimum: 'too-small',
  exclusiveMinimum: 'too-small',
  minItems: 'too-small',
  maximum: 'too-large',
  exclusiveMaximum: 'too-large',
  maxItems: 'too-large',
  maxProperties: 'too-large',
}

function toIssue(error: ErrorObject): ValidationIssue {
  const { keyword, params, instancePath } = error
  const pointer = `/params${instancePath}`
  if (keyword === 'required') return missing(pointer, params.missingProperty)
  if (keyword === 'additionalProperties') return unknownParam(pointer, params.additionalProperty, error)
  if (keyword === 'enum') return notAllowed(pointer, params.allowedValues, error.data)
  // The schema's own texts go first; `errorMessage` is what JSON Schema tools commonly call them.
  const detail = error.parentSchema?.errorMessage?.[keyword] ?? error.message ?? 'does not fit the job type'
  const suggestion = error.parentSchema?.format === 'uri' ? wholeUrl(error.data) : undefined
  return { pointer, code: codes[keyword] ?? keyword, detail, ...(suggestion && { suggestion }) }
}

/** A URL that lacks only its scheme, with one: http where TLS is unlikely, on the own machine or a port of its own. */
function wholeUrl(given: unknown): string | undefined {
  if (typeof given !== 'string' || given.length > shownNameLength || /^[a-z]+:\/\/|[\s@\\]/i.test(given))
    return undefined
  const rest = given.replace(/^\/{1,2}/, '')
  const url = URL.parse(`http://${rest}`)
  if (!url || !/\.|^localhost$|^\[/.test(url.hostname)) return undefined
  const isLocal = url.port !== '' || /^(?:localhost|\[.*|[\d.]+)$/.test(url.hostname)
  return `${isLocal ? 'http' : 'https'}://${rest}`
}

function missing(at: string, name: string): ValidationIssue {
  return { pointer: `${at}/${escapePointer(name)}`, code: 'required', detail: 'is missing' }
}

function unknownParam(at: string, name: string, { parentSchema }: ErrorObject): ValidationIssue {
  const suggestion = nearestName(name, Object.keys(parentSchema?.properties ?? {}))
  const shown = name.slice(0, shownNameLength)
  const detail = `there is no param "${shown}" here`
  return { pointer: `${at}/${escapePointer(shown)}`, code: 'unknown-field', detail, ...(suggestion && { suggestion }) }
}

function notAllowed(pointer: string, allowed: readonly unknown[], given: unknown): ValidationIssue {
  const suggestion = typeof given === 'string' ? nearestName(given, allowed.map(String)) : undefined
  const detail = `must be one of ${allowed.map(String).join(', ')}`
  return { pointer, code: 'not-allowed', detail, ...(suggestion && { suggestion }) }
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
