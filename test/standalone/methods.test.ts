import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { raisedLimits } from '../../proof/belfry-process.ts'
import { type Caller, createCaller, signUp } from '../../proof/caller.ts'
import { openOneProcess } from '../../proof/one-process.ts'

const methods = ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT']

/** As much of a Fastify app as is asked of it here. */
interface App {
  readonly server: { address(): unknown }
  addHook(name: 'onRoute', hook: (route: { url: string }) => void): void
}

/** One address of one app, with a value for each id in it. */
interface Address {
  readonly app: App
  readonly path: string
}

/** The route tables of all apps that are made from now on: Fastify announces each app before it has a route. */
function watchRoutes() {
  const addresses: Address[] = []
  const onApp = (message: unknown) => {
    const { fastify: app } = message as { fastify: App }
    const patterns = new Set<string>()
    app.addHook('onRoute', ({ url }) => {
      if (patterns.has(url)) return
      patterns.add(url)
      addresses.push({ app, path: url.replaceAll(/:\w+|\*/g, 'x') })
    })
  }
  subscribe('fastify.initialization', onApp)
  return { addresses, stop: () => unsubscribe('fastify.initialization', onApp) }
}

/** Whether an answer says that the address, or the method on it, is not there. */
function isMissing(status: number, body: unknown): boolean {
  if (status === 405) return true
  return status === 404 && (body as { detail?: string }).detail === 'There is nothing at this address.'
}

describe('every address of every service', () => {
  const watch = watchRoutes()
  let url = ''
  let user: Caller
  let close = async () => {}
  beforeAll(async () => {
    const belfry = await openOneProcess({ ...raisedLimits })
    watch.stop()
    url = belfry.url
    user = await signUp(url)
    close = belfry.close
  })
  afterAll(() => close())

  const originOf = (app: App) => {
    const { port } = app.server.address() as { port: number }
    return `http://127.0.0.1:${port}`
  }
  /** The methods that a caller finds to be there, by trying each. */
  const found = async (caller: Caller, path: string) => {
    const there = ['OPTIONS']
    for (const method of methods) {
      const { status, body } = await caller.call(method, path)
      // A HEAD has no body to tell by; it is there where GET is, but for streams.
      const isThere = method === 'HEAD' ? there.includes('GET') && status !== 405 : !isMissing(status, body)
      if (isThere) there.push(method)
    }
    return there.sort().join(', ')
  }
  const options = async (caller: Caller, path: string) => {
    const { status, headers } = await caller.call('OPTIONS', path, undefined, { origin: 'https://evil.example' })
    const cors = [...headers.keys()].filter((name) => name.startsWith('access-control'))
    return { status, allow: headers.get('allow'), cors }
  }

  it('says with OPTIONS, without a token, just the methods that are there', async () => {
    expect(new Set(watch.addresses.map(({ app }) => app)).size).toBe(5)
    const own = watch.addresses.filter(({ app }) => originOf(app) !== url)
    expect(own.length).toBeGreaterThan(30)
    for (const { app, path } of own) {
      const anonymous = createCaller(originOf(app), null)
      const allow = await found(anonymous, path)
      expect(await options(anonymous, path), path).toEqual({ status: 204, allow, cors: [] })
    }
  })

  it('says the same through the gateway, which leads to no other', async () => {
    const anonymous = createCaller(url, null)
    const behind = watch.addresses.filter(({ app }) => originOf(app) !== url)
    const routed = /^\/(auth|jobs|executions|dead-letters|job-types|scheduler)(\/|$)/
    for (const { app, path } of behind) {
      if (!routed.test(path)) continue
      const own = await options(createCaller(originOf(app), null), path)
      expect(await options(anonymous, path), path).toEqual(own)
      for (const method of methods.filter((one) => !own.allow?.includes(one))) {
        const wrong = await user.call(method, path)
        expect([wrong.status, wrong.headers.get('allow')], `${method} ${path}`).toEqual([405, own.allow])
      }
    }
    for (const path of [
      '/internal/jobs/changes',
      '/nothing',
      '/jobs/x/nothing',
      '/auth/nothing',
      '/executions/x/y/z',
    ]) {
      expect((await options(anonymous, path)).status, path).toBe(404)
    }
  })

  it('says so of the addresses of the gateway itself', async () => {
    const anonymous = createCaller(url, null)
    for (const path of [
      '/',
      '/livez',
      '/readyz',
      '/metrics',
      '/openapi.json',
      '/docs',
      '/docs/start.js',
      '/problems/x',
    ]) {
      expect(await options(anonymous, path), path).toEqual({ status: 204, allow: 'GET, HEAD, OPTIONS', cors: [] })
      expect((await user.call('POST', path)).headers.get('allow')).toBe('GET, HEAD, OPTIONS')
    }
  })

  it('is not reached under a foreign name, nor changed from a page of another site', async () => {
    const send = (origin: string, method: string, headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = request(`${origin}/livez`, { method, headers }, (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        })
        sent.on('error', reject)
        sent.end()
      })
    const origins = [...new Set(watch.addresses.map(({ app }) => originOf(app)))]
    expect(origins).toHaveLength(5)
    for (const origin of origins) {
      expect(await send(origin, 'GET', {})).toBe(200)
      expect(await send(origin, 'GET', { host: 'evil.example' })).toBe(421)
      expect(await send(origin, 'POST', { origin: 'https://evil.example' })).toBe(403)
      expect(await send(origin, 'POST', { origin: 'null' })).toBe(403)
    }
    const headers = { origin: url }
    expect((await user.call('POST', '/jobs', { jobType: 'DUMMY' }, headers)).status).toBe(201)
  })
})
