import { createCheckedLookup, type Resolve } from '@belfry/outbound'
import { type Handler, type Handlers, JobFailure } from '@belfry/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { closedAddresses } from '../../../../libs/outbound/test/closed-addresses.ts'
import { hostileUrls } from '../../../../libs/outbound/test/hostile-urls.ts'
import { createHandlers, handlersDefaults } from '../../src/job-types/job-types.ts'
import { createTestContext } from './run-context.ts'
import { startTarget, type Target } from './target.ts'

const httpCallOf = (handlers: Handlers) => handlers.types.get('HTTP_CALL') as Handler

/** Calls as the executor does: parse first, then run. Resolves to the code of the refusal, or to `called`. */
async function outcomeOf(handlers: Handlers, params: unknown): Promise<string> {
  const handler = httpCallOf(handlers)
  const parsed = handler.params.safeParse(params)
  if (!parsed.success) return 'params'
  const run = handler.run(parsed.data, createTestContext())
  return run.then(
    () => 'called',
    (error) => (error instanceof JobFailure && error.retry === 'never' ? error.code : `not fatal: ${error}`),
  )
}

/** Any name leads to the loopback, at the canary's port. */
const resolveToLoopback: Resolve = async () => [{ address: '127.0.0.1', family: 4 }]

describe('outbound calls with private addresses off', () => {
  let canary: Target
  let canary6: Target | null
  let handlers: Handlers

  beforeAll(async () => {
    canary = await startTarget((_, response) => response.end('canary'))
    canary6 = await startTarget((_, response) => response.end('canary'), '::1').catch(() => null)
    handlers = createHandlers(handlersDefaults, resolveToLoopback)
  })
  afterAll(async () => {
    await handlers.close()
    await canary.close()
    await canary6?.close()
  })

  const ports = () => [canary.port, canary6?.port ?? canary.port]
  const corpus = () => ports().flatMap(hostileUrls)

  it('refuses every URL of the corpus for good, and none reaches the canary', async () => {
    const urls = corpus()
    expect(new Set(urls).size).toBeGreaterThanOrEqual(200)
    const outcomes = await Promise.all(urls.map(async (url) => [url, await outcomeOf(handlers, { url })] as const))
    const wrong = outcomes.filter(([, outcome]) => outcome !== 'address-blocked' && outcome !== 'params')
    expect(wrong).toEqual([])
    expect(canary.connections() + (canary6?.connections() ?? 0)).toBe(0)
  })

  it('refuses a closed address that hides behind a name, by itself or among public ones', async () => {
    const answers = closedAddresses.flatMap((address) => {
      const closed = { address, family: address.includes(':') ? 6 : 4 }
      const open = { address: '1.1.1.1', family: 4 }
      return [[closed], [open, closed], [closed, open]]
    })
    for (const answer of answers) {
      const own = createHandlers(handlersDefaults, async () => answer)
      expect(await outcomeOf(own, { url: `https://shop.example:${canary.port}/` })).toBe('address-blocked')
      await own.close()
    }
    expect(canary.connections()).toBe(0)
  })

  it('does not tell the address behind a name', async () => {
    const run = httpCallOf(handlers).run(
      httpCallOf(handlers).params.parse({ url: 'http://intranet.example/' }),
      createTestContext(),
    )
    await expect(run).rejects.toThrow(/^"intranet\.example" leads to an address that is not public/)
    await expect(run).rejects.not.toThrow(/127/)
  })

  it('goes on refusing a name that was refused before', async () => {
    for (let i = 0; i < 3; i++) {
      expect(await outcomeOf(handlers, { url: `http://again.example:${canary.port}/` })).toBe('address-blocked')
    }
    expect(canary.connections()).toBe(0)
  })
})

describe('the checked lookup', () => {
  type Answer = { error: Error | null; address: unknown }
  const ask = (lookup: ReturnType<typeof createCheckedLookup>, all: boolean) =>
    new Promise<Answer>((resolve) => lookup('shop.example', { all }, (error, address) => resolve({ error, address })))

  it('hands a connection the very answer it has checked, and checks again for the next one', async () => {
    const answers = [[{ address: '1.1.1.1', family: 4 }], [{ address: '127.0.0.1', family: 4 }]]
    const lookup = createCheckedLookup(false, async () => answers.shift() ?? [])
    expect(await ask(lookup, true)).toEqual({ error: null, address: [{ address: '1.1.1.1', family: 4 }] })
    expect((await ask(lookup, true)).error).toMatchObject({ code: 'address-blocked' })
  })

  it('hands out a single address where one is asked for', async () => {
    const lookup = createCheckedLookup(false, async () => [{ address: '1.1.1.1', family: 4 }])
    expect(await ask(lookup, false)).toEqual({ error: null, address: '1.1.1.1' })
  })

  it('passes on that a name does not exist', async () => {
    const missing = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
    const lookup = createCheckedLookup(false, () => Promise.reject(missing))
    expect((await ask(lookup, true)).error).toBe(missing)
  })
})

describe('outbound calls with private addresses on', () => {
  it('reach the loopback by address and by name', async () => {
    const target = await startTarget((_, response) => response.end('hello'))
    const handlers = createHandlers({ ...handlersDefaults, allowPrivate: true }, resolveToLoopback)
    expect(await outcomeOf(handlers, { url: target.url })).toBe('called')
    expect(await outcomeOf(handlers, { url: `http://anything.example:${target.port}/` })).toBe('called')
    expect(target.seen).toHaveLength(2)
    await handlers.close()
    await target.close()
  })

  it('do not follow a redirect, not even the first of a chain', async () => {
    const canary = await startTarget((_, response) => response.end('canary'))
    const target = await startTarget((request, response) => {
      const status = Number(request.url?.slice(1))
      response.writeHead(status, { location: `${canary.url}/secret` }).end()
    })
    const handlers = createHandlers({ ...handlersDefaults, allowPrivate: true })
    for (const status of [301, 302, 303, 307, 308]) {
      for (const method of ['GET', 'POST']) {
        expect(await outcomeOf(handlers, { url: `${target.url}/${status}`, method })).toBe(`http-${status}`)
      }
    }
    const expected = { url: `${target.url}/302`, expect: { status: 302 } }
    const handler = httpCallOf(handlers)
    expect(await handler.run(handler.params.parse(expected), createTestContext())).toMatchObject({
      status: 302,
      headers: { location: `${canary.url}/secret` },
    })
    expect(canary.connections()).toBe(0)
    await handlers.close()
    await canary.close()
    await target.close()
  })
})
