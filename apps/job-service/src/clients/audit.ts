import type { AuditReader } from '@belfry/audit'
import {
  type AuditListBody,
  type AuditListReply,
  type AuditStepReply,
  auditListReply,
  auditStepReply,
  type ServiceName,
  tolerant,
} from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'

/** The audit log of one service. */
export interface AuditSource {
  readonly service: ServiceName
  list(query: AuditListBody): Promise<AuditListReply>
  /** One step of the check of the seals, after the seal of this number. */
  verify(after: number): Promise<AuditStepReply>
}

/** The log of this service itself. */
export function ownAuditSource(audit: AuditReader): AuditSource {
  return {
    service: 'job-service',
    async list(query) {
      const { rows, next } = await audit.list(query)
      return { data: rows, next }
    },
    verify: audit.verify,
  }
}

const replies = { list: tolerant(auditListReply), verify: tolerant(auditStepReply) }

/** The log of another service, over REST. Rejects on a time-out, and on an answer that is an error. */
export function createAuditSource(
  rest: RestClient,
  service: ServiceName,
  { timeoutMs }: { readonly timeoutMs: number },
): AuditSource {
  const call = async (method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> => {
    const answer = await rest.request({ service, method, path, deadlineMs: timeoutMs, ...(body ? { body } : {}) })
    if (answer.status !== 200) throw new Error(`${service} answered ${answer.status} to ${method} ${path}`)
    return answer.body
  }
  return {
    service,
    list: async (query) => replies.list.parse(await call('POST', '/internal/audit/list', query)),
    verify: async (after) => replies.verify.parse(await call('GET', `/internal/audit/verify?after=${after}`)),
  }
}
