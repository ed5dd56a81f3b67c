import { readFile } from 'node:fs/promises'
import type { HttpApp } from '@belfry/http'
import { z } from 'zod'
import { type HeldPage, holdPage, sendHeld } from '../compression/held-pages.ts'

/** Swagger UI as its package ships it: nothing comes from another host. */
const assets = ['swagger-ui-bundle.js', 'swagger-ui.css', 'favicon-32x32.png'] as const
type Asset = (typeof assets)[number]
const assetTypes: Readonly<Record<Asset, string>> = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}
const assetMaxAgeS = 3600

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

/** The files, each read once, with the first call for it. */
function createAssets(): (name: Asset) => Promise<HeldPage> {
  const folder = import.meta.resolve('@fastify/swagger-ui')
  const held = new Map<Asset, Promise<HeldPage>>()
  const read = async (name: Asset) => holdPage(await readFile(new URL(`./static/${name}`, folder)), assetTypes[name])
  return (name) => {
    const found = held.get(name) ?? read(name)
    held.set(name, found)
    return found
  }
}

/** `/docs`: a page to read the API and to try it. `minBytes`: from which length on files are compressed. */
export function mountDocs(app: HttpApp, minBytes: number): void {
  const assetOf = createAssets()
  const [docs, script] = [holdPage(page, 'text/html; charset=utf-8'), holdPage(start, 'text/javascript; charset=utf-8')]

  const route = { schema: { hide: true }, config: open }
  for (const url of ['/docs', '/docs/']) {
    app.get(url, route, (request, reply) =>
      sendHeld(request, reply.header('content-security-policy', policy), docs, minBytes),
    )
  }
  app.get('/docs/start.js', route, (request, reply) => sendHeld(request, reply, script, minBytes))
  app.get('/docs/:asset', { schema: { hide: true, params: assetParams }, config: open }, async (request, reply) => {
    const asset = await assetOf(request.params.asset)
    reply.header('cache-control', `public, max-age=${assetMaxAgeS}`)
    // A picture is compressed already.
    return sendHeld(request, reply, asset, asset.type.startsWith('image/') ? Number.POSITIVE_INFINITY : minBytes)
  })
}
