import { createJobBody, jobsQuery, type Problem, triggerBody } from '@belfry/contracts'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { makeWorld } from './world.ts'

const worlds: { app: { close(): Promise<void> } }[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.app.close()
})

function open() {
  const world = makeWorld()
  worlds.push(world)
  const { app } = world
  const config = { access: 'public' } as const
  app.post('/jobs', { schema: { body: createJobBody }, config }, (request) => ({ taken: request.body }))
  app.get('/jobs', { schema: { querystring: jobsQuery }, config }, (request) => ({ taken: request.query }))
  app.post('/jobs/:id/trigger', { schema: { body: triggerBody }, config }, (request) => ({
    taken: request.body ?? null,
  }))
  app.post('/scan', { schema: {}, config }, () => ({ scanned: true }))
  const both = {
    params: z.strictObject({ id: z.string().max(5) }),
    body: z.strictObject({ n: z.number() }),
    querystring: z.strictObject({ q: z.string().optional() }),
  }
  app.put('/all/:id', { schema: both, config }, () => ({}))
  const send = async (payload: string | Buffer, type = 'application/json') => {
    const answer = await app.inject({ method: 'POST', url: '/jobs', payload, headers: { 'content-type': type } })
    return { status: answer.statusCode, problem: answer.json() as Problem, headers: answer.headers }
  }
  return { ...world, send, sendJson: (body: unknown) => send(JSON.stringify(body)) }
}

const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
const inParams = (text: string) => `{"jobType":"DUMMY","params":{"x":${text}}}`

describe('a body', () => {
  it.each([
    ['an unknown field, with the nearest known one', { jobType: 'A', prams: {} }, '/prams', 'unknown-field', 'params'],
    ['a missing field', {}, '/jobType', 'required', undefined],
    ['a field of the wrong type', { jobType: 5 }, '/jobType', 'wrong-type', undefined],
    ['a text that is too long', { jobType: 'a'.repeat(101) }, '/jobType', 'too-long', undefined],
    ['a number that is too large', { jobType: 'A', priority: 10 }, '/priority', 'too-large', undefined],
    ['a number with a fraction', { jobType: 'A', priority: 1.5 }, '/priority', 'wrong-type', undefined],
    [
      'a word that is none of the allowed',
      { jobType: 'A', overlap: { policy: 'skipp' } },
      '/overlap/policy',
      'not-allowed',
      'skip',
    ],
    ['a list with too many items', { jobType: 'A', tags: Array(21).fill('t') }, '/tags', 'too-large', undefined],
    ['an item of a list', { jobType: 'A', tags: ['a', ''] }, '/tags/1', 'too-short', undefined],
    ['a duration that is none', { jobType: 'A', delay: 'soon' }, '/delay', 'bad-format', undefined],
    [
      'an unknown field deep down',
      { jobType: 'A', retry: { maxRetrys: 3 } },
      '/retry/maxRetrys',
      'unknown-field',
      'maxRetries',
    ],
    [
      'the issue of the meant branch of a union',
      { jobType: 'A', schedule: { evry: '5s' } },
      '/schedule/evry',
      'unknown-field',
      'every',
    ],
    [
      'the field of the meant branch',
      { jobType: 'A', schedule: { cron: '* * * * *', timezone: 5 } },
      '/schedule/timezone',
      'wrong-type',
      undefined,
    ],
    ['a too long text in a union', { jobType: 'A', schedule: '*'.repeat(200) }, '/schedule', 'too-long', undefined],
    ['the kinds that a union takes', { jobType: 'A', schedule: 5 }, '/schedule', 'wrong-type', undefined],
  ])('is refused naming %s', async (_what, body, pointer, code, suggestion) => {
    const { status, problem } = await open().sendJson(body)
    expect(status).toBe(400)
    expect(problem.code).toBe('malformed-request')
    const issue = problem.errors?.find((one) => one.pointer === pointer)
    expect(issue).toMatchObject({ pointer, code, ...(suggestion ? { suggestion } : {}) })
    expect(issue?.detail).not.toMatch(/invalid/i)
  })

  it('says what a union takes when the kind is wrong', async () => {
    const { problem } = await open().sendJson({ jobType: 'A', schedule: 5 })
    expect(problem.errors).toEqual([{ pointer: '/schedule', code: 'wrong-type', detail: 'must be text or an object' }])
  })

  it('is answered with all its issues at once', async () => {
    const { problem } = await open().sendJson({ jbType: 'A', priority: 'high', tags: [1], delay: '5 apples' })
    expect(problem.errors?.map((one) => one.pointer).sort()).toEqual([
      '/delay',
      '/jbType',
      '/jobType',
      '/priority',
      '/tags/0',
    ])
  })

  it('may begin with a byte order mark', async () => {
    const { status } = await open().send('\uFEFF{"jobType":"A"}')
    expect(status).toBeLessThan(300)
  })

  it('is answered with the issues of path, body and query together', async () => {
    const { app } = open()
    const answer = await app.inject({ method: 'PUT', url: '/all/too-long-id?x=1', payload: { n: 'one' } })
    const pointers = (answer.json() as Problem).errors?.map((one) => one.pointer)
    expect(answer.statusCode).toBe(400)
    expect(pointers).toEqual([':id', '/n', '?x'])
  })

  it('escapes names in pointers', async () => {
    const { problem } = await open().sendJson({ jobType: 'A', 'a/b~c': 1 })
    expect(problem.errors?.[0]?.pointer).toBe('/a~1b~0c')
  })

  it('does not come back by the kilobyte', async () => {
    const body = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`${'x'.repeat(150)}${i}`, 1]))
    const { status, problem } = await open().sendJson({ jobType: 'A', ...body })
    expect(status).toBe(400)
    expect(problem.errors).toHaveLength(50)
    expect(JSON.stringify(problem).length).toBeLessThan(30_000)
  })

  it.each([
    ['no JSON at all', '{', 'not-json', ''],
    ['a bare word', 'hello', 'not-json', ''],
    ['U+0000 in a value', inParams('"a\\u0000b"'), 'bad-character', '/params/x'],
    ['U+0000 in a name', inParams('{"a\\u0000":1}'), 'bad-character', '/params/x/a\u{fffd}'],
    ['half of a surrogate pair', inParams('"\\ud800"'), 'bad-character', '/params/x'],
    ['a prototype', inParams('{"__proto__":{"admin":true}}'), 'forbidden-name', '/params/x/__proto__'],
    ['an escaped prototype', inParams('{"\\u005f_proto__":{"admin":true}}'), 'forbidden-name', '/params/x/__proto__'],
    ['a prototype at the top', '{"jobType":"A","__proto__":{"name":"x"}}', 'forbidden-name', '/__proto__'],
    ['a constructor', inParams('{"constructor":{"prototype":{"a":1}}}'), 'forbidden-name', '/params/x/constructor'],
    ['a number beyond all bounds', inParams('1e999'), 'too-large', '/params/x'],
    ['a nest of a thousand objects', inParams(deep(1000)), 'too-deep', undefined],
    ['a nest of 40,000 lists', inParams(`${'['.repeat(40_000)}${']'.repeat(40_000)}`), 'too-deep', undefined],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 'not-utf-8', ''],
  ])('is refused for %s', async (_what, payload, code, pointer) => {
    const { status, problem } = await open().send(payload)
    expect(status).toBe(400)
    expect(problem.errors?.[0]).toMatchObject({ code, ...(pointer === undefined ? {} : { pointer }) })
  })

  it.each([
    ['a list', '[]'],
    ['a text', '"x"'],
    ['a number', '5'],
    ['null', 'null'],
    ['nothing', ''],
  ])('that is %s is refused where an object is needed', async (_what, payload) => {
    const { status, problem } = await open().send(payload)
    expect(status).toBe(400)
    expect(problem.errors?.[0]?.pointer).toBe('')
  })

  it('may be left out where the route takes none', async () => {
    const { app } = open()
    const headers = { 'content-type': 'application/json' }
    for (const payload of [undefined, '', 'null', '{}']) {
      const sent = payload === undefined ? {} : { payload, headers }
      const answer = await app.inject({ method: 'POST', url: '/jobs/j/trigger', ...sent })
      expect(answer.statusCode, String(payload)).toBe(200)
      expect((await app.inject({ method: 'POST', url: '/scan', ...sent })).statusCode, String(payload)).toBe(200)
    }
  })

  it('is refused where a route takes none', async () => {
    const answer = await open().app.inject({ method: 'POST', url: '/scan', payload: { now: true } })
    expect(answer.statusCode).toBe(400)
    expect((answer.json() as Problem).errors?.[0]).toMatchObject({ pointer: '/now', code: 'unknown-field' })
  })

  it('of another content type is 415, a compressed one too', async () => {
    const { app, send } = open()
    for (const type of [
      'text/plain',
      'application/xml',
      'application/x-www-form-urlencoded',
      'nonsense',
      'application/jsonx',
    ]) {
      const { status, problem } = await send('{"jobType":"A"}', type)
      expect([status, problem.code], type).toEqual([415, 'unsupported-media-type'])
    }
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    const answer = await app.inject({ method: 'POST', url: '/jobs', payload: '{"jobType":"A"}', headers })
    expect(answer.statusCode).toBe(415)
  })

  it('that is a merge patch is taken by PATCH alone', async () => {
    const { app } = open()
    app.patch('/patched', { schema: { body: z.unknown() }, config: { access: 'public' } }, ({ body }) => ({ body }))
    const patch = (method: 'PATCH' | 'POST', url: string) => {
      const headers = { 'content-type': 'application/merge-patch+json; charset=utf-8' }
      return app.inject({ method, url, headers, payload: '{"jobType":"A"}' })
    }
    const taken = await patch('PATCH', '/patched')
    expect([taken.statusCode, taken.json()]).toEqual([200, { body: { jobType: 'A' } }])
    const refused = await patch('POST', '/jobs')
    expect([refused.statusCode, (refused.json() as Problem).code]).toEqual([415, 'unsupported-media-type'])
  })

  it('with a charset is taken, a duplicate name counts the last', async () => {
    const { status, problem } = await open().send('{"jobType":"A","jobType":"B"}', 'application/json; charset=utf-8')
    expect(status).toBe(200)
    expect(problem).toEqual({ taken: { jobType: 'B' } })
  })

  it('that is too large is 413', async () => {
    const { status, problem } = await open().sendJson({ jobType: 'A', params: { x: 'x'.repeat(300_000) } })
    expect([status, problem.code]).toEqual([413, 'too-large'])
  })

  it('that is not taken leaves the connection open, so that a client that still sends it gets the answer', async () => {
    const { send, sendJson } = open()
    const refused = [await sendJson({ params: 'x'.repeat(300_000) }), await send('a=b', 'text/plain'), await send('{')]
    expect(refused.map(({ status, headers }) => [status, headers.connection])).toEqual([
      [413, undefined],
      [415, undefined],
      [400, undefined],
    ])
  })

  it.each([
    [{ jobType: { length: { toString: 1 } } }, ['/jobType']],
    [{ jobType: 'A', tags: { length: { valueOf: 1, toString: 1 } } }, ['/tags']],
    [{ jobType: 'A', tags: [{ length: { toString: 1 } }] }, ['/tags/0']],
    [{ jobType: 'A', schedule: { cron: { length: { toString: 1 } } } }, ['/schedule/cron']],
    [
      { jobType: 'A', retry: { delay: { length: { toString: 1 } } }, runAt: { length: 999 } },
      ['/runAt', '/retry/delay'],
    ],
  ])('is answered with the wrong type of a value that has a length of its own: %j', async (body, pointers) => {
    const { status, problem } = await open().sendJson(body)
    expect([status, problem.errors?.map((one) => one.code)]).toEqual([400, pointers.map(() => 'wrong-type')])
    expect(problem.errors?.map((one) => one.pointer)).toEqual(pointers)
  })

  it('of any JSON never makes a 5xx', async () => {
    const { sendJson } = open()
    const fields = Object.keys(createJobBody.shape)
    const bodies = fc.dictionary(fc.oneof(fc.constantFrom(...fields), fc.string()), fc.jsonValue({ maxDepth: 3 }))
    await fc.assert(
      fc.asyncProperty(fc.oneof(bodies, fc.jsonValue()), async (body) => {
        const { status } = await sendJson(body)
        expect(status === 200 || status === 400).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a query', () => {
  it('takes names with commas between them, and suggests the nearest for one that it does not know', async () => {
    const { app } = open()
    const ask = async (query: string) => (await app.inject(`/jobs?${query}`)).json()
    expect((await ask('fields=params')).taken.fields).toEqual(['params'])
    expect((await ask('fields=params&fields=params')).taken.fields).toEqual(['params', 'params'])
    expect((await ask('limit=1')).taken.fields).toEqual([])
    expect((await ask('fields=params,parmas')).errors).toEqual([
      { pointer: '?fields', code: 'not-allowed', detail: expect.any(String), suggestion: 'params' },
    ])
    expect((await ask('fields=')).errors).toHaveLength(1)
    expect((await ask('status=FAILD')).errors).toMatchObject([{ pointer: '?status', suggestion: 'FAILED' }])
  })

  it.each([
    ['an unknown name', '/jobs?statsu=x', '?statsu', 'unknown-field', 'status'],
    ['a word that is none', '/jobs?status=FAILD', '?status', 'not-allowed', 'FAILED'],
    ['a limit that is too large', '/jobs?limit=201', '?limit', 'too-large', undefined],
    ['a limit that is no number', '/jobs?limit=ten', '?limit', 'wrong-type', undefined],
    ['a limit in hexadecimal', '/jobs?limit=0x10', '?limit', 'wrong-type', undefined],
    ['a limit with an exponent', '/jobs?limit=1e1', '?limit', 'wrong-type', undefined],
    ['a limit with a space', '/jobs?limit=%2010', '?limit', 'wrong-type', undefined],
    ['an empty limit', '/jobs?limit=', '?limit', 'wrong-type', undefined],
    ['a limit below nothing', '/jobs?limit=-1', '?limit', 'too-small', undefined],
    ['a name given twice', '/jobs?q=a&q=b', '?q', 'wrong-type', undefined],
    ['U+0000', '/jobs?q=%00', '?q', 'bad-character', undefined],
    ['a prototype', '/jobs?__proto__=1', '?__proto__', 'unknown-field', undefined],
  ])('is refused for %s', async (_what, url, pointer, code, suggestion) => {
    const answer = await open().app.inject({ url })
    expect(answer.statusCode).toBe(400)
    expect((answer.json() as Problem).errors?.[0]).toMatchObject({
      pointer,
      code,
      ...(suggestion ? { suggestion } : {}),
    })
  })

  it('that a route does not have is refused', async () => {
    const answer = await open().app.inject({ method: 'POST', url: '/scan?fast=1' })
    expect(answer.statusCode).toBe(400)
  })
})
