import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { nearestName } from './nearest-name.ts'

/** One thing that is wrong with the environment. */
export interface ConfigIssue {
  /** The variable: `BELFRY_PORT`. */
  readonly key: string
  readonly detail: string
}

/** The environment cannot be used. Its message lists every issue, one a line, and is fit to be printed as it is. */
export class ConfigError extends Error {
  readonly issues: readonly ConfigIssue[]
  constructor(issues: readonly ConfigIssue[]) {
    super(['The configuration cannot be used:', ...issues.map((one) => `  ${one.key} ${one.detail}`)].join('\n'))
    this.name = 'ConfigError'
    this.issues = issues
  }
}

/** Keys that belong to tests and proofs; every service lets them pass. */
const knownToAll = ['BELFRY_TEST_*', 'BELFRY_REQUIRE_PEERS', 'BELFRY_PEERS_*', 'BELFRY_CRASH_AT']

/** The variable of a key of the schema: `leaseMs` is `BELFRY_LEASE_MS`. */
export function configKey(name: string): string {
  return `BELFRY_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

function matches(key: string, known: string): boolean {
  return known.endsWith('*') ? key.startsWith(known.slice(0, -1)) : key === known
}

/** What a schema can say about its field besides its type (`.meta`, which must come last). */
interface FieldNotes {
  /** The variable `<KEY>_FILE` may name a file that holds the value. */
  readonly isSecret?: boolean
  /** What to set, for the error about a variable that is not there. */
  readonly whenMissing?: string
}

function notesOf(field: z.core.$ZodType): FieldNotes {
  return (z.globalRegistry.get(field) ?? {}) as FieldNotes
}

/** The variable that names the file with the value of a secret. */
const fileKey = (name: string) => `${configKey(name)}_FILE`

/** The variables of a schema: one for each field, and one more for each secret. */
export function configKeys(schema: z.ZodObject): string[] {
  return Object.entries(schema.shape).flatMap(([name, field]) =>
    notesOf(field).isSecret ? [configKey(name), fileKey(name)] : [configKey(name)],
  )
}

const fileErrors: Record<string, string> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by this user',
  EISDIR: 'is a folder',
}

/** The text in a file without the line break at its end. Throws a text that says why there is none. */
function readSecretFile(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    throw `names a file that ${fileErrors[code] ?? `cannot be read (${code})`}: ${path}`
  }
  const value = text.replace(/\r?\n$/, '')
  if (value === '') throw `names a file that is empty: ${path}`
  return value
}

/** The values that are set, by field, and what is wrong with the files of secrets. An empty variable is not set. */
function givenValues(schema: z.ZodObject, env: NodeJS.ProcessEnv) {
  const given = new Map<string, string>()
  const issues: (ConfigIssue & { readonly name: string })[] = []
  for (const [name, field] of Object.entries(schema.shape)) {
    const value = env[configKey(name)]
    if (value) given.set(name, value)
    const path = notesOf(field).isSecret ? env[fileKey(name)] : undefined
    if (!path) continue
    const key = fileKey(name)
    if (value) issues.push({ name, key, detail: `is set and ${configKey(name)} too: set one of them` })
    else {
      try {
        given.set(name, readSecretFile(path))
      } catch (detail) {
        issues.push({ name, key, detail: String(detail) })
      }
    }
  }
  return { given, issues }
}

function unknownKeys(env: NodeJS.ProcessEnv, keys: readonly string[], known: readonly string[]): ConfigIssue[] {
  return Object.keys(env)
    .filter((key) => key.startsWith('BELFRY_') && !keys.includes(key) && !known.some((one) => matches(key, one)))
    .map((key) => {
      const nearest = nearestName(key, keys)
      return { key, detail: `is unknown${nearest ? `; did you mean ${nearest}?` : ''}` }
    })
}

/** What is wrong with a value, in words; zod's own texts name its types. */
function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.expected === 'int') return 'must be a whole number'
  if (issue.code === 'invalid_type' && issue.expected === 'number') return 'must be a number'
  if (issue.code === 'too_big' && issue.origin !== 'string')
    return `must be ${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}`
  if (issue.code === 'too_small' && issue.origin !== 'string')
    return `must be ${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`
  return issue.message
}

/** What is wrong with one field; a value from a file is named by the variable of the file. */
function issueOf(
  schema: z.ZodObject,
  env: NodeJS.ProcessEnv,
  given: ReadonlyMap<string, string>,
  issue: z.core.$ZodIssue,
) {
  const name = String(issue.path[0] ?? '')
  if (!name) return { key: 'BELFRY_*', detail: describe(issue) }
  // A rule over several fields is broken by their values, the default ones too: none of them is missing.
  const isMissing = issue.code !== 'custom' && !given.has(name)
  const key = given.has(name) && !env[configKey(name)] ? fileKey(name) : configKey(name)
  if (!isMissing) return { key, detail: describe(issue) }
  const field = schema.shape[name]
  const hint = field && notesOf(field).whenMissing
  return { key, detail: hint ? `is required: ${hint}` : 'is required' }
}

/**
 * The typed configuration out of the environment. Each field of `schema` is one variable (`configKey`); as variables are
 * text, the schema coerces (`z.coerce.number()`, `z.stringbool()`). An empty variable counts as not set. A secret may stand in
 * the file that its variable with `_FILE` names. `known`: more variables that belong to other programs, a trailing `*`
 * stands for any rest. Throws a `ConfigError` with all issues.
 */
export function readConfig<T extends z.ZodObject>(
  schema: T,
  env: NodeJS.ProcessEnv,
  options: { known?: readonly string[] } = {},
): z.output<T> {
  const { given, issues: fileIssues } = givenValues(schema, env)
  const issues = unknownKeys(env, configKeys(schema), [...knownToAll, ...(options.known ?? [])])
  issues.push(...fileIssues.map(({ key, detail }) => ({ key, detail })))
  const parsed = schema.safeParse(Object.fromEntries(given))
  if (!parsed.success) {
    const others = parsed.error.issues.filter((issue) => !fileIssues.some(({ name }) => name === issue.path[0]))
    issues.push(...others.map((issue) => issueOf(schema, env, given, issue)))
  }
  if (issues.length > 0 || !parsed.success) throw new ConfigError(issues)
  return parsed.data
}
