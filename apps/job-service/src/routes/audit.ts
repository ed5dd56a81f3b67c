import {
  type AuditEntry,
  type AuditStepReply,
  type AuditVerifyView,
  auditEntry,
  auditQuery,
  auditVerifyQuery,
  auditVerifyView,
  isRefusal,
  pageOf,
  type QueryTime,
  toWireTime,
} from '@belfry/contracts'
import { answerPage, decodeCursor, encodeCursor, type HttpApp } from '@belfry/http'
import { z } from 'zod'
import type { AuditSource } from '../clients/audit.ts'
import { isOperator } from '../domain/reach.ts'
import type { JobContext } from '../use-cases/context.ts'
import { type AuditRow, listAudit } from '../use-cases/list-audit.ts'

/** One number for each log; see `AuditPosition`. */
const positionShape = z.array(z.int().min(0).nullable()).max(8)
/** One number for each log: the seal after which its next step begins; null: its check has ended. */
const stepShape = z.array(z.int().min(0).nullable()).max(8)

function outcomeOf(status: number | null): AuditEntry['outcome'] {
  if (status === null) return 'unknown'
  if (status >= 500) return 'failed'
  return status >= 400 ? 'refused' : 'done'
}

/** `showsAddress`: addresses of other users are for operators. */
function viewRow(row: AuditRow, showsAddress: boolean): AuditEntry {
  const { service, n, at, actorId, actorName, via, action, target, also, version, status, requestId, address } = row
  return {
    ...{ service, number: n, at: toWireTime(at), actor: { id: actorId, name: actorName, via } },
    ...{ action, target, also: [...also], version, status, outcome: outcomeOf(status), requestId },
    address: showsAddress ? address : null,
  }
}

const details: Record<NonNullable<AuditStepReply['broken']>['reason'], string> = {
  'missing-seal': 'A seal next to this one was removed.',
  'other-chain': 'The seal before this one was changed.',
  'missing-rows': 'Rows under this seal were removed.',
  'added-rows': 'Rows were added under this seal.',
  'changed-rows': 'A row under this seal, or the seal itself, was changed.',
}

function viewSeal(seal: AuditStepReply['from']) {
  return (
    seal && { number: seal.no, hash: seal.hash, firstAt: toWireTime(seal.firstAt), lastAt: toWireTime(seal.lastAt) }
  )
}

function viewStep({ service }: AuditSource, step: AuditStepReply): AuditVerifyView['services'][number] {
  const { seals, rows, from, to, broken } = step
  return {
    ...{ service, seals, rows, from: viewSeal(from), to: viewSeal(to) },
    broken: broken && {
      seal: broken.seal.no,
      firstAt: toWireTime(broken.seal.firstAt),
      lastAt: toWireTime(broken.seal.lastAt),
      reason: broken.reason,
      detail: details[broken.reason],
    },
  }
}

/** `GET /audit` and `GET /audit/verify`, over the logs of all services. */
export function mountAuditLists(app: HttpApp, context: JobContext, sources: readonly AuditSource[]): void {
  const timeOf = (asked: QueryTime | undefined) =>
    asked && ('at' in asked ? asked.at : context.clock.now() - asked.agoMs)
  const list = {
    operationId: 'listAudit',
    tags: ['audit'],
    summary: 'Who changed what, and when: newest first',
    description:
      'One row for each request that changed something or was refused to. A user sees the own requests, and with `target` those of all users about a job that is in reach; operators and admins see all. Bodies, params and secrets are never part of a row.',
    querystring: auditQuery,
    answerHeaders: { 200: ['link'] },
    response: { 200: pageOf(auditEntry) },
  } as const
  app.get('/audit', { schema: list, config: { access: 'viewer' } }, async (request, reply) => {
    const { caller, query } = request
    const after = query.cursor === undefined ? null : decodeCursor(query.cursor, positionShape)
    if (isRefusal(after)) return reply.refuse(after)
    const filter = { ...query, from: timeOf(query.from), to: timeOf(query.to) }
    const found = await listAudit(context, sources, caller, filter, { limit: query.limit, after })
    if (isRefusal(found)) return reply.refuse(found)
    const showsAll = isOperator(caller)
    return answerPage(reply, found.rows, {
      cursorOf: ({ position }) => position,
      view: ({ row }) => viewRow(row, showsAll || row.actorId === caller.userId),
      next: found.next && encodeCursor(found.next),
      maxBytes: context.config.jobPageBytes,
    })
  })

  const verify = {
    operationId: 'verifyAudit',
    tags: ['audit'],
    summary: 'Check that the audit log is as it was written',
    description:
      'Rows are sealed in batches, each seal over the rows and over the seal before it. A call checks a bounded part of each log and answers the first place that does not hold; `next` continues the check.',
    querystring: auditVerifyQuery,
    response: { 200: auditVerifyView },
  }
  app.get('/audit/verify', { schema: verify, config: { access: 'admin' } }, async (request, reply) => {
    const { cursor } = request.query
    const start = cursor === undefined ? sources.map(() => 0) : decodeCursor(cursor, stepShape)
    if (isRefusal(start)) return reply.refuse(start)
    const steps = await Promise.all(
      sources.map(async (source, index) => {
        const after = start[index] ?? null
        return after === null ? [] : [{ source, index, step: await source.verify(after) }]
      }),
    )
    const taken = steps.flat()
    const isBroken = taken.some(({ step }) => step.broken)
    const next = sources.map((_, index) => taken.find((one) => one.index === index)?.step.next ?? null)
    const hasMore = !isBroken && next.some((after) => after !== null)
    return reply.send({
      status: isBroken ? 'broken' : hasMore ? 'unfinished' : 'intact',
      services: taken.map(({ source, step }) => viewStep(source, step)),
      next: hasMore ? encodeCursor(next) : null,
    })
  })
}
