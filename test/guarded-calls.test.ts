import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')

/** What a program can make an HTTP call with. Types, and servers, are none. */
const clients = [
  /\bimport (?!type\b)[^'"]*['"]undici['"]/,
  /\bimport consul\b/,
  /\bimport (?!type\b)[^'"]*\b(?:request|get|Agent)\b[^'"]*['"]node:https?['"]/,
  /(?:\b(?:await|return|void)|=>?|[(,])\s*(?:globalThis\.)?fetch\(/,
  /\bnew WebSocket\(/,
]

/** The files that make calls, each with the reason why it may. */
const mayCall: Record<string, string> = {
  'apps/gateway/src/routes/one-time-pages.ts': 'a script of a page, which the browser runs',
  'libs/client/src/transport.ts': 'the client that users import',
  'libs/discovery/src/client/transport.ts':
    'calls between services, which the breaker of each instance guards (upstream.ts)',
  'libs/discovery/src/registry/consul/client.ts': 'Consul: an outage is covered by the last good list',
  'libs/outbound/src/outbound.ts': 'the addresses of users: HTTP_CALL',
}

const sources = globSync(['apps/*/src/**/*.ts', 'libs/*/src/**/*.ts'], { cwd: root }).filter(
  (path) => !path.startsWith('libs/testkit/'),
)
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')

describe('calls over HTTP', () => {
  it('are made by few files, so that each call between services passes a breaker', () => {
    expect(sources.length).toBeGreaterThan(200)
    const callers = sources.filter((path) => {
      const text = withoutComments(read(path))
      return clients.some((pattern) => pattern.test(text))
    })
    expect(callers.toSorted()).toEqual(Object.keys(mayCall).toSorted())
  })

  it('between services are opened where a process wires its services, once for each caller', () => {
    const openers = sources.filter((path) => /\bcreateBalancer\(\{/.test(withoutComments(read(path))))
    expect(openers.toSorted()).toEqual(['libs/bootstrap/src/base.ts', 'libs/discovery/src/client/balancer.ts'])
  })
})
