import { type ErrorCode, problems, refusal } from '@belfry/contracts'
import { addVary, type HttpApp } from '@belfry/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { describeProblem, errorCodes, problemPage, problemPolicy, problemsPage } from '../problems/page.ts'
import { wantsPage } from './wants-page.ts'

const open = { access: 'public' } as const
const slugParams = z.strictObject({ slug: z.string() })
const noSuchProblem = refusal('not-found', 'There is no problem of that name.')

function isErrorCode(slug: string): slug is ErrorCode {
  return Object.hasOwn(problems, slug)
}

/** The page for a browser, the description for a program. */
function answer(request: FastifyRequest, reply: FastifyReply, page: () => string, body: () => unknown): FastifyReply {
  addVary(reply, 'accept')
  if (!wantsPage(request.headers.accept)) return reply.send(body())
  return reply.header('content-security-policy', problemPolicy).type('text/html; charset=utf-8').send(page())
}

/** `/problems/:slug`: what the `type` of every problem resolves to. `/problems`: all of them. */
export function mountProblems(app: HttpApp): void {
  app.get('/problems/:slug', { schema: { hide: true, params: slugParams }, config: open }, (request, reply) => {
    const { slug } = request.params
    if (!isErrorCode(slug)) return reply.refuse(noSuchProblem)
    answer(
      request,
      reply,
      () => problemPage(slug),
      () => describeProblem(slug),
    )
  })
  app.get('/problems', { schema: { hide: true }, config: open }, (request, reply) =>
    answer(request, reply, problemsPage, () => ({ data: errorCodes.map(describeProblem) })),
  )
}
