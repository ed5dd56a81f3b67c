import type { z } from 'zod'
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

/** Keys that belong to tests and proofs; every service lets them pass (operations.md, configuration). */
const knownToAll = ['BELFRY_TEST_*', 'BELFRY_REQUIRE_PEERS', 'BELFRY_PEERS_*', 'BELFRY_CRASH_AT']

/** The variable of a key of the schema: `leaseMs` is `BELFRY_LEASE_MS`. */
export function configKey(name: string): string {
  return `BELFRY_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

function matches(key: string, known: string): boolean {
  return known.endsWith('*') ? key.startsWith(known.slice(0, -1)) : key === known
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

/**
 * The typed configuration out of the environment. Each field of `schema` is one variable (`configKey`); as variables are
 * text, the schema coerces (`z.coerce.number()`, `z.stringbool()`). An empty variable counts as not set. `known`: more
 * variables that belong to other programs, a trailing `*` stands for any rest. Throws a `ConfigError` with all issues.
 */
export function readConfig<T extends z.ZodObject>(
  schema: T,
  env: NodeJS.ProcessEnv,
  options: { known?: readonly string[] } = {},
): z.output<T> {
  const names = Object.keys(schema.shape)
  const given = names.flatMap((name) => {
    const value = env[configKey(name)]
    return value === undefined || value === '' ? [] : [[name, value] as const]
  })
  const issues = unknownKeys(env, names.map(configKey), [...knownToAll, ...(options.known ?? [])])
  const parsed = schema.safeParse(Object.fromEntries(given))
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0] ?? '')
      // A rule over several fields is broken by their values, the default ones too: none of them is missing.
      const missing = issue.code !== 'custom' && name !== '' && !given.some(([one]) => one === name)
      issues.push({ key: name ? configKey(name) : 'BELFRY_*', detail: missing ? 'is required' : describe(issue) })
    }
  }
  if (issues.length > 0 || !parsed.success) throw new ConfigError(issues)
  return parsed.data
}
