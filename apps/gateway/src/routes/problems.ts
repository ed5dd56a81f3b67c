import { type ErrorCode, problems, refusal } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import { z } from 'zod'

const open = { access: 'public' } as const
const slugParams = z.strictObject({ slug: z.string() })
const noSuchProblem = refusal('not-found', 'There is no problem of that name.')

function isErrorCode(slug: string): slug is ErrorCode {
  return Object.hasOwn(problems, slug)
}

/** `/problems/:slug`: what the `type` of every problem resolves to. */
export function mountProblems(app: HttpApp): void {
  app.get('/problems/:slug', { schema: { hide: true, params: slugParams }, config: open }, (request, reply) => {
    const { slug } = request.params
    if (!isErrorCode(slug)) return reply.refuse(noSuchProblem)
    return reply.send({ type: `/problems/${slug}`, code: slug, ...problems[slug] })
  })
}
