import { type Refusal, refusal, type ValidationIssue } from '@belfry/contracts'
import type { Logger } from '@belfry/service'
import type { FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { refusalOfError } from './error-refusals.ts'
import { guardLengthChecks } from './length-checks.ts'
import { sendRefusal } from './problem.ts'
import { checkPart, misfitDetail, type RequestPart, requestParts } from './validation.ts'

/** One part of a request does not fit its schema. `validationContext` is set by Fastify: which part it was. */
class MisfitPart extends Error {
  readonly issues: readonly ValidationIssue[]
  validationContext?: string
  constructor(issues: readonly ValidationIssue[]) {
    super('the request does not fit its schema')
    this.name = 'MisfitPart'
    this.issues = issues
  }
}

/** Checks with the route's zod schemas; the value that handlers see is the one that the schema makes. */
export const checkCompiler: FastifySchemaCompiler<z.core.$ZodType> = ({ schema, httpPart }) => {
  const part = httpPart as RequestPart
  guardLengthChecks(schema)
  return (data: unknown) => {
    const checked = checkPart(part, schema, data)
    return 'issues' in checked ? { error: new MisfitPart(checked.issues) } : { value: checked.value }
  }
}

/** Fastify stops at the first part with an issue; the answer names the issues of all. */
function allIssues(error: MisfitPart, request: FastifyRequest): ValidationIssue[] {
  const at = requestParts.indexOf(error.validationContext as RequestPart)
  const schemas = (request.routeOptions.schema ?? {}) as Partial<Record<RequestPart, z.core.$ZodType>>
  const given = { params: request.params, body: request.body, querystring: request.query }
  const later = requestParts.slice(at + 1).flatMap((part) => {
    const schema = schemas[part]
    const checked = schema ? checkPart(part, schema, given[part]) : undefined
    return checked && 'issues' in checked ? checked.issues : []
  })
  return [...error.issues, ...later]
}

function refusalOf(error: unknown, request: FastifyRequest): Refusal | undefined {
  if (!(error instanceof MisfitPart)) return refusalOfError(error)
  return refusal('malformed-request', misfitDetail, { errors: allIssues(error, request) })
}

const surprise = refusal('internal', 'Something went wrong on our side. Name the request id when you report it.')

/** Turns every error of a route into a problem. An unexpected error is logged once with its context, and answered without it. */
export function createErrorHandler(log: Logger) {
  return (err: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const refused = refusalOf(err, request)
    const isOurs = refused === undefined || refused.code === 'storage-full'
    if (isOurs) {
      const { method, url } = request.routeOptions
      log.error(
        { err, requestId: request.id, traceparent: request.traceparent, method, route: url },
        'a request failed',
      )
    }
    // Fastify closes the connection of a body that it did not read to its end. A client that still sends that body then loses the
    // answer to a reset, and a gateway between would take the service for broken: the rest is read and thrown away instead.
    reply.removeHeader('connection')
    return sendRefusal(reply, refused ?? surprise)
  }
}
