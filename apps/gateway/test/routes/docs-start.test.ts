import { createContext, runInContext } from 'node:vm'
import { expect, it } from 'vitest'
import { makeWorld } from '../world.ts'

interface ApiResponse {
  url: string
  status: number
  text: string
}

interface Configuration {
  url: string
  responseInterceptor(response: ApiResponse): ApiResponse
}

/** What the script of the page does: the configuration that it hands over, and the tokens that it fills in. */
async function runStart() {
  const { app } = await makeWorld()
  const script = (await app.inject('/docs/start.js')).body
  const tokens: unknown[][] = []
  const given: Configuration[] = []
  const window: Record<string, unknown> = {}
  const SwaggerUIBundle = (configuration: Configuration) => {
    given.push(configuration)
    return { preauthorizeApiKey: (...call: unknown[]) => tokens.push(call) }
  }
  const location = { href: 'http://127.0.0.1:8080/docs#/auth/logIn' }
  runInContext(script, createContext({ window, location, URL, SwaggerUIBundle }))
  const [configuration] = given
  if (configuration === undefined) throw new Error('the script does not start Swagger UI')
  return { configuration, tokens, app }
}

it('the docs fill in the token of a login that is tried on the page', async () => {
  const { configuration, tokens, app } = await runStart()
  expect(configuration.url).toBe('/openapi.json')
  const login = { url: 'http://127.0.0.1:8080/auth/login', status: 200, text: '{"token":"abc","expiresIn":900}' }
  expect(configuration.responseInterceptor(login)).toBe(login)
  expect(tokens).toEqual([['token', 'abc']])
  // The call by which Swagger UI takes a token, and the name of the scheme in the document.
  expect((await app.inject('/docs/swagger-ui-bundle.js')).body).toContain('preauthorizeApiKey')
})

it('the docs leave every other answer alone', async () => {
  const { configuration, tokens } = await runStart()
  const others = [
    { url: 'http://127.0.0.1:8080/auth/login', status: 401, text: '{"code":"wrong-credentials"}' },
    { url: 'http://127.0.0.1:8080/auth/login', status: 200, text: 'no JSON' },
    { url: 'http://127.0.0.1:8080/jobs', status: 200, text: '{"token":"of another kind"}' },
    { url: '/openapi.json', status: 200, text: '{}' },
  ]
  for (const one of others) expect(configuration.responseInterceptor(one)).toBe(one)
  expect(tokens).toEqual([])
})
