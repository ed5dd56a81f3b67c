import { z } from 'zod'
import { type Command, type Commands, placeholdersOf } from './commands.ts'

/** Without a pattern of its own an argument has no separator of paths, no quote, no space, and nothing that begins an option. */
const plainArgument = /^[\p{L}\p{N}_.,:@%+=-]*$/u

function argumentOf(command: Command, name: string) {
  const { pattern, maxLength = 200, default: byDefault } = command.arguments[name] ?? {}
  const schema = z
    .string()
    .max(maxLength)
    .regex(pattern === undefined ? plainArgument : new RegExp(`^(?:${pattern})$`, 'u'))
    // An argument that begins with a dash would be read as an option, and a NUL ends an argument.
    .regex(/^(?!-)[^\0]*$/u, 'must not begin with "-"')
  return byDefault === undefined ? schema : schema.default(byDefault)
}

function paramsOf(name: string, command: Command) {
  const fields = placeholdersOf(command).map((one) => [one, argumentOf(command, one)] as const)
  const args = z.strictObject(Object.fromEntries(fields))
  // Without arguments, or with defaults for all of them, a job need not name any.
  const isOptional = args.safeParse({}).success
  return z.strictObject({ command: z.literal(name), args: isOptional ? args.prefault({}) : args })
}

export interface CommandParams {
  readonly command: string
  readonly args: Readonly<Record<string, string>>
}

/** The params of a COMMAND job: one of the commands that are configured, with arguments where its template has them. */
export function createCommandParams(commands: Commands): z.ZodType<CommandParams> {
  const names = Object.keys(commands)
  const known = z.looseObject({ command: z.enum(names as [string, ...string[]]) })
  const each = Object.entries(commands).map(([name, command]) => paramsOf(name, command))
  const schema =
    each.length === 1 ? each[0] : z.discriminatedUnion('command', each as [(typeof each)[0], ...typeof each])
  return known.pipe(schema as never) as unknown as z.ZodType<CommandParams>
}

/**
 * As JSON Schema, one rule for each command: `if` it is this command, `then` its arguments. A union of all would answer one
 * wrong argument with the issues of every command.
 */
export function describeCommandParams(commands: Commands): Record<string, unknown> {
  const rules = Object.entries(commands).map(([name, command]) => {
    const { $schema, ...then } = z.toJSONSchema(paramsOf(name, command), { io: 'input' })
    return { if: { properties: { command: { const: name } }, required: ['command'] }, then }
  })
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: { command: { enum: Object.keys(commands) }, args: { type: 'object' } },
    required: ['command'],
    allOf: rules,
  }
}
