import type { HttpApp } from '@belfry/http'
import { wantsPage } from './wants-page.ts'

const open = { access: 'public' } as const

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

/** `/`: the landing page. A browser is redirected to the docs, a program gets a list of links. */
export function mountLanding(app: HttpApp): void {
  app.get('/', { schema: { hide: true }, config: open }, (request, reply) =>
    wantsPage(request.headers.accept) ? reply.redirect('/docs') : reply.send(index),
  )
}
