import { fileURLToPath } from 'node:url'
import type { HttpApp } from '@belfry/http'
import fastifyStatic from '@fastify/static'
import { z } from 'zod'

/** Swagger UI as its package ships it: nothing comes from another host. */
const assets = ['swagger-ui-bundle.js', 'swagger-ui.css', 'favicon-32x32.png'] as const
const assetMaxAgeMs = 3_600_000

/** No inline script and no other host. Swagger UI sets styles on elements, so inline styles have to pass. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Belfry API</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`

/**
 * The token of a login, a refresh or a change of the password on this page counts for what is tried next, without a copy by hand.
 * It stays in the memory of the page.
 */
const start = `const tokenCalls = ['/auth/login', '/auth/refresh', '/auth/password']

function readToken({ url, status, text }) {
  if (status !== 200 || !tokenCalls.includes(new URL(url, location.href).pathname)) return undefined
  try {
    return JSON.parse(text).token
  } catch {
    return undefined
  }
}

window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  validatorUrl: null,
  responseInterceptor(response) {
    const token = readToken(response)
    if (token !== undefined) window.ui.preauthorizeApiKey('token', token)
    return response
  },
})
`

const assetParams = z.strictObject({ asset: z.enum(assets) })
const open = { access: 'public' } as const

/** `/docs`: a page to read the API and to try it. */
export function mountDocs(app: HttpApp): void {
  const root = fileURLToPath(new URL('./static', import.meta.resolve('@fastify/swagger-ui')))
  app.register(fastifyStatic, { root, serve: false, maxAge: assetMaxAgeMs })

  const route = { schema: { hide: true }, config: open }
  for (const url of ['/docs', '/docs/']) {
    app.get(url, route, (_request, reply) =>
      reply.header('content-security-policy', policy).type('text/html; charset=utf-8').send(page),
    )
  }
  app.get('/docs/start.js', route, (_request, reply) => reply.type('text/javascript; charset=utf-8').send(start))
  app.get('/docs/:asset', { schema: { hide: true, params: assetParams }, config: open }, (request, reply) =>
    reply.sendFile(request.params.asset),
  )
}
