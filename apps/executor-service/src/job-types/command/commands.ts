import { readFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { duration } from '@belfry/contracts'
import { z } from 'zod'

/** Longest argument, characters, and most arguments of a command. */
const longestArgument = 1000
const mostArguments = 50

/** An argument that a job gives: what it must match, and how long it may be. */
const argument = z.strictObject({
  pattern: z.string().max(500).optional(),
  maxLength: z.int().min(0).max(longestArgument).default(200),
  default: z.string().optional(),
})

const command = z.strictObject({
  /** The program; it is not looked for in PATH. */
  executable: z.string().refine(isAbsolute, 'must be an absolute path'),
  /** What it is called with. `{name}` stands for an argument of the job. */
  args: z.array(z.string().max(longestArgument)).max(mostArguments).default([]),
  arguments: z.record(z.string().regex(/^\w{1,50}$/), argument).default({}),
  cwd: z.string().refine(isAbsolute, 'must be an absolute path').default('/'),
  /** Variables of the executor's environment that the program gets; no others. */
  env: z
    .array(z.string().regex(/^[A-Za-z_]\w*$/))
    .max(50)
    .default(['PATH', 'LANG', 'TZ']),
  timeout: duration({ min: 1000, max: 86_400_000 }).optional(),
  description: z.string().max(500).default(''),
})
const commands = z.record(
  z.string().regex(/^[A-Za-z0-9][\w.-]{0,63}$/, 'a name is made of letters, digits, "_", "." and "-"'),
  command,
)

/** A command as it is configured, checked. */
export type Command = z.output<typeof command>
export type Commands = Readonly<Record<string, Command>>

const placeholder = /\{(\w+)\}/g

/** The names that a template asks for. */
export function placeholdersOf({ args }: Pick<Command, 'args'>): string[] {
  return [...new Set(args.flatMap((one) => [...one.matchAll(placeholder)].map((match) => match[1] as string)))]
}

/** The template with its placeholders filled; never split or interpreted any further. */
export function fillTemplate({ args }: Pick<Command, 'args'>, given: Readonly<Record<string, string>>): string[] {
  return args.map((one) => one.replace(placeholder, (_, name: string) => given[name] ?? ''))
}

function textOf(given: string): string {
  return given.trimStart().startsWith('{') ? given : readFileSync(given, 'utf8')
}

/** What does not fit beyond the shape: a placeholder without an argument, a pattern that is none, a variable of Belfry itself. */
function issuesOf(name: string, one: Command): string[] {
  const wanted = placeholdersOf(one)
  const issues = Object.keys(one.arguments)
    .filter((argumentName) => !wanted.includes(argumentName))
    .map((argumentName) => `${name}.arguments.${argumentName}: no {${argumentName}} stands in args`)
  for (const [argumentName, { pattern }] of Object.entries(one.arguments)) {
    try {
      if (pattern !== undefined) new RegExp(pattern, 'u')
    } catch {
      issues.push(`${name}.arguments.${argumentName}.pattern: is no regular expression`)
    }
  }
  const ours = one.env.filter((variable) => variable.startsWith('BELFRY_'))
  return [...issues, ...ours.map((variable) => `${name}.env: ${variable} is not for commands`)]
}

/**
 * Reads the setting: JSON text, or the path of a file with it. Answers the commands by name, or a text that says what is wrong with
 * it.
 */
export function readCommands(given: string): Commands | string {
  let value: unknown
  try {
    value = JSON.parse(textOf(given))
  } catch (error) {
    return `is neither JSON nor a file with JSON: ${error instanceof Error ? error.message : String(error)}`
  }
  const read = commands.safeParse(value)
  if (!read.success) return read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
  if (Object.keys(read.data).length === 0) return 'names no command'
  const issues = Object.entries(read.data).flatMap(([name, one]) => issuesOf(name, one))
  return issues.length > 0 ? issues.join('; ') : read.data
}
