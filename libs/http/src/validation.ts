import { type FieldHint, fieldHints, type Refusal, refusal, type ValidationIssue } from '@belfry/contracts'
import { nearestName } from '@belfry/service'
import { z } from 'zod'
import { textIssue } from './json-body.ts'
import { pointerOf, shownName } from './pointer.ts'
import { codeOf, describe, isMissing } from './validation-texts.ts'

/** The parts of a request that have a schema, in the order in which Fastify checks them. */
export const requestParts = ['params', 'body', 'querystring'] as const
export type RequestPart = (typeof requestParts)[number]

type ZodIssue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/** Issues that one answer names: enough to correct the request, too few to make the answer an amplifier. */
const issuesLimit = 50

interface Found {
  readonly path: Path
  readonly code: string
  readonly detail: string
  readonly suggestion?: string | undefined
}

/** The fields of an object, and hints about some names that are not fields. */
interface Known {
  readonly fields: readonly string[]
  readonly hints: Readonly<Record<string, FieldHint>>
}

/** What the description of a value's issues needs: the fields of its objects. */
interface Context {
  /** By the very list of unknown fields that zod reports about an object. */
  readonly known: Map<readonly string[], Known>
}

function nearestField(issue: z.core.$ZodIssueUnrecognizedKeys, key: string, context: Context) {
  return nearestName(key, context.known.get(issue.keys)?.fields ?? [])
}

function unknownField(
  issue: z.core.$ZodIssueUnrecognizedKeys,
  key: string,
  context: Context,
): Pick<Found, 'detail' | 'suggestion'> {
  const { hints = {} } = context.known.get(issue.keys) ?? {}
  const hint = Object.hasOwn(hints, key) ? hints[key] : undefined
  if (hint) return hint
  return { detail: `there is no field "${shownName(key)}"`, suggestion: nearestField(issue, key, context) }
}

/**
 * How far a value is from a branch of a union. A field that is missing counts double, since the sender may have meant
 * another branch; a misspelt one counts half, since they probably meant this one.
 */
function distanceOf(issues: readonly ZodIssue[], context: Context): number {
  let distance = 0
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys.slice(0, issuesLimit)) distance += nearestField(issue, key, context) ? 0.5 : 1
    } else distance += issue.message === isMissing ? 2 : 1
  }
  return distance
}

function isOfWrongKind(issues: readonly ZodIssue[]): boolean {
  return issues.some((one) => one.path.length === 0 && (one.code === 'invalid_type' || one.code === 'invalid_value'))
}

/** The branch of a union that the sender most likely meant: right in kind, and with the smallest distance. */
function meantBranch(branches: readonly (readonly ZodIssue[])[], context: Context): readonly ZodIssue[] | undefined {
  return branches
    .filter((issues) => !isOfWrongKind(issues))
    .map((issues) => ({ issues, distance: distanceOf(issues, context) }))
    .toSorted((a, b) => a.distance - b.distance)[0]?.issues
}

function wrongKind(branches: readonly (readonly ZodIssue[])[]): string {
  const names = branches.flat().map((one) => one.message.replace(/^must be /, ''))
  return `must be ${[...new Set(names)].join(' or ')}`
}

/** `input` is the value where the schema met it: one of a list, where the address holds them with commas between. */
function nearestValue(issue: ZodIssue): string | undefined {
  if (issue.code !== 'invalid_value' || typeof issue.input !== 'string') return undefined
  return nearestName(issue.input, issue.values.map(String))
}

/** The suggestion of a schema's own rule. */
function suggestedBy(issue: ZodIssue): string | undefined {
  const given = issue.code === 'custom' ? issue.params?.suggestion : undefined
  return typeof given === 'string' ? given : undefined
}

function expand(issue: ZodIssue, above: Path, context: Context): Found[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.slice(0, issuesLimit).map((key) => ({
      path: [...path, key],
      code: 'unknown-field',
      ...unknownField(issue, key, context),
    }))
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const meant = meantBranch(issue.errors, context)
    if (meant) return meant.flatMap((one) => expand(one, path, context))
    return [{ path, code: 'wrong-type', detail: wrongKind(issue.errors) }]
  }
  const suggestion = suggestedBy(issue) ?? nearestValue(issue)
  return [{ path, code: codeOf(issue), detail: issue.message, suggestion }]
}

function pointerIn(part: RequestPart, path: Path): string {
  if (part === 'body') return pointerOf(path)
  return `${part === 'querystring' ? '?' : ':'}${shownName(String(path[0] ?? ''))}`
}

function issueOf(part: RequestPart, { path, code, detail, suggestion }: Found): ValidationIssue {
  const pointer = pointerIn(part, path)
  return suggestion === undefined ? { pointer, code, detail } : { pointer, code, detail, suggestion }
}

/** Texts of an address may hold U+0000 (`%00`), which no schema checks. */
function addressIssues(part: RequestPart, data: unknown): ValidationIssue[] {
  if (part === 'body' || typeof data !== 'object' || data === null) return []
  return Object.entries(data).flatMap(([name, value]) => {
    const wrong = textIssue(name) ?? textIssue(String(value))
    return wrong === undefined ? [] : [issueOf(part, { path: [name], code: 'bad-character', detail: wrong })]
  })
}

function knownOf(schema: z.core.$ZodType | undefined): Known {
  const shape = (schema as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def?.shape
  return { fields: shape ? Object.keys(shape) : [], hints: (schema && fieldHints.get(schema)?.fields) ?? {} }
}

/** The result of checking one part: the value as the schema makes it, or all issues. */
export type Checked = { readonly value: unknown } | { readonly issues: readonly ValidationIssue[] }

/** Checks one part of a request against its schema. An empty body counts as undefined. */
export function checkPart(part: RequestPart, schema: z.core.$ZodType, data: unknown): Checked {
  const wrongTexts = addressIssues(part, data)
  if (wrongTexts.length > 0) return { issues: wrongTexts }
  const given = data ?? undefined
  const context: Context = { known: new Map() }
  const result = z.core.safeParse(schema, given, {
    reportInput: true,
    error: (issue) => {
      if (issue.code === 'unrecognized_keys')
        context.known.set(issue.keys, knownOf(issue.inst as z.core.$ZodType | undefined))
      return describe(issue)
    },
  })
  if (result.success) return { value: result.data }
  const all = result.error.issues.flatMap((issue) => expand(issue, [], context))
  return { issues: all.slice(0, issuesLimit).map((one) => issueOf(part, one)) }
}

/** The detail of every request whose parts do not fit their schemas. */
export const misfitDetail = 'The request does not fit what this address takes.'

/**
 * Checks a body that a route has made of what came in, as if it had come like that: the value as the schema makes it, or the refusal
 * (400) with all issues.
 */
export function checkBody<T>(schema: z.ZodType<T>, body: unknown): T | Refusal {
  const checked = checkPart('body', schema, body)
  if ('value' in checked) return checked.value as T
  return refusal('malformed-request', misfitDetail, { errors: checked.issues })
}
