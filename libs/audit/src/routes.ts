import { auditListBody, auditListReply, auditStepQuery, auditStepReply } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { AuditReader } from './audit-log.ts'

/** The routes by which job-service reads the log of another service. */
export function mountAudit(app: HttpApp, { list, verify }: AuditReader): void {
  const config = { access: 'service' } as const
  const lists = { body: auditListBody, response: { 200: auditListReply } }
  app.post('/internal/audit/list', { schema: lists, config }, async (request) => {
    const { rows, next } = await list(request.body)
    return { data: rows, next }
  })
  const verifies = { querystring: auditStepQuery, response: { 200: auditStepReply } }
  app.get('/internal/audit/verify', { schema: verifies, config }, (request) => verify(request.query.after))
}
