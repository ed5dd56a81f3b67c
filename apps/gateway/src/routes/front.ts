import { type ErrorCode, problems, refusal } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import { z } from 'zod'

const open = { access: 'public' } as const
const hidden = { hide: true }

const index = {
  name: 'Belfry',
  links: {
    docs: '/docs',
    openapi: '/openapi.json',
    signup: 'POST /auth/signup',
    login: 'POST /auth/login',
    jobs: '/jobs',
    jobTypes: '/job-types',
    executions: '/executions',
    services: '/system/services',
    ready: '/readyz?verbose',
  },
}

/** Whether a browser asks: it says that it takes HTML, and `curl` does not. */
function wantsPage(accept: string | undefined): boolean {
  return accept?.includes('text/html') ?? false
}

/** `/`: a browser lands on the docs, a program gets a list of where to go. */
export function mountFront(app: HttpApp): void {
  app.get('/', { schema: hidden, config: open }, (request, reply) =>
    wantsPage(request.headers.accept) ? reply.redirect('/docs') : reply.send(index),
  )
}

const slugParams = z.strictObject({ slug: z.string() })
const noSuchProblem = refusal('not-found', 'There is no problem of that name.')

function isErrorCode(slug: string): slug is ErrorCode {
  return Object.hasOwn(problems, slug)
}

/** `/problems/:slug`: what the `type` of every problem resolves to. */
export function mountProblems(app: HttpApp): void {
  app.get('/problems/:slug', { schema: { ...hidden, params: slugParams }, config: open }, (request, reply) => {
    const { slug } = request.params
    if (!isErrorCode(slug)) return reply.refuse(noSuchProblem)
    return reply.send({ type: `/problems/${slug}`, code: slug, ...problems[slug] })
  })
}
