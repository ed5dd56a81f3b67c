import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isIP } from 'node:net'
import type { Outbound, Resolve } from '@belfry/outbound'
import * as outboundModule from '@belfry/outbound'
import { closedAddresses } from '../../libs/outbound/test/closed-addresses.ts'
import { hostileUrls } from '../../libs/outbound/test/hostile-urls.ts'
import { eventually } from '../belfry-process.ts'
import { type Caller, readAll, signUp } from '../caller.ts'
import type { Finding } from './matrix.ts'
import type { World } from './world.ts'

/** A server on loopback that nothing may reach. */
interface Canary {
  readonly port: number
  connections(): number
  close(): void
}

async function openServer(host: string, redirectTo?: () => string): Promise<Canary> {
  let connections = 0
  const server = createServer((request, response) => {
    const status = Number(/\d{3}/.exec(request.url ?? '')?.[0] ?? 200)
    response.writeHead(status, redirectTo ? { location: redirectTo() } : {}).end()
  })
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const limits = {
  ...{ connections: 10, connectTimeoutMs: 1_000, keepAliveMs: 1_000 },
  lookups: { total: 8, ofOwner: 7, waiting: 1_000 },
}

/** A name that leads to another closed address each time, in the end to loopback, also beside a public one. */
function createRebinding(): Resolve {
  let asked = 0
  const open = { address: '1.1.1.1', family: 4 }
  return async () => {
    asked += 1
    const address = asked % 3 === 0 ? '127.0.0.1' : (closedAddresses[asked % closedAddresses.length] ?? '::1')
    const closed = { address, family: isIP(address) }
    return asked % 2 === 0 ? [open, closed] : [closed]
  }
}

/** What is checked: the source as it is, or with an edit. */
export type OutboundModule = Pick<typeof outboundModule, 'createOutbound' | 'createCheckedLookup'>

async function outcomeOf(outbound: Outbound, url: string, method = 'GET'): Promise<string> {
  if (!URL.canParse(url)) return 'no URL'
  const { origin, pathname, protocol } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:') return 'no http'
  const answer = outbound.request('usr-1', { origin, path: pathname, method: method as 'GET' })
  return answer.then(
    async ({ statusCode, body }) => {
      await body.dump()
      return `answered ${statusCode}`
    },
    (error) => String(error.code ?? error),
  )
}

/** The corpus against what every call to an address of a user goes through. */
async function tryUrls(
  { createOutbound }: OutboundModule,
  urls: readonly string[],
  unexpected: string[],
): Promise<number> {
  const outbound = createOutbound({ ...limits, allowPrivate: false }, createRebinding())
  for (const url of urls) {
    const outcome = await outcomeOf(outbound, url)
    // A URL that hides an address of the corpus behind a public one's user name leads to that name, which is rebound.
    if (!['address-blocked', 'no URL', 'no http'].includes(outcome)) unexpected.push(`${url}: ${outcome}`)
  }
  await outbound.close()
  return urls.length
}

/** What is handed to a connection: never a closed address, whatever the name has led to before. */
async function tryRebinding({ createCheckedLookup }: OutboundModule, unexpected: string[]): Promise<number> {
  const open = { address: '1.1.1.1', family: 4 }
  for (const address of closedAddresses) {
    const closed = { address, family: isIP(address) }
    const answers = [[open], [closed], [open, closed], [closed, open], [open], [closed, closed]]
    const handed: string[] = []
    const lookup = createCheckedLookup(false, async () => answers.shift() ?? [closed])
    for (let asked = 0; asked < 6; asked += 1) {
      await new Promise<void>((resolve) =>
        lookup('shop.example', { all: true }, (_error, found) => {
          handed.push(...[found].flat().map((one) => (typeof one === 'string' ? one : one.address)))
          resolve()
        }),
      )
    }
    if (handed.some((one) => one !== open.address)) unexpected.push(`a lookup hands out ${handed.join()}`)
  }
  return 6 * closedAddresses.length
}

/** Redirects from an address that may be called: the chain ends at its first answer. */
async function tryRedirects({ createOutbound }: OutboundModule, canary: Canary, unexpected: string[]): Promise<number> {
  const second = await openServer('127.0.0.1', () => `http://127.0.0.1:${canary.port}/`)
  const first = await openServer('127.0.0.1', () => `http://127.0.0.1:${second.port}/302`)
  const outbound = createOutbound({ ...limits, allowPrivate: true })
  const calls = [301, 302, 303, 307, 308].flatMap((status) =>
    ['GET', 'POST', 'HEAD'].map((method) => ({ status, method })),
  )
  for (const { status, method } of calls) {
    const outcome = await outcomeOf(outbound, `http://127.0.0.1:${first.port}/${status}`, method)
    if (outcome !== `answered ${status}`) unexpected.push(`a redirect ${status} of ${method}: ${outcome}`)
  }
  if (second.connections() > 0) unexpected.push(`a redirect was followed ${second.connections()} times`)
  await outbound.close()
  first.close()
  second.close()
  return calls.length
}

/** What the corpus finds in a module: none of it may reach a server on loopback. */
export async function findHoles(module: OutboundModule): Promise<string[]> {
  const found: string[] = []
  const canary = await openServer('127.0.0.1')
  await tryUrls(module, hostileUrls(canary.port), found)
  await tryRebinding(module, found)
  await tryRedirects(module, canary, found)
  if (canary.connections() > 0) found.push(`the canary has had ${canary.connections()} connections`)
  canary.close()
  return found
}

/** Of the corpus what needs no resolver: the system's one would be asked for the rest. */
function isLiteral(url: string): boolean {
  if (!URL.canParse(url)) return true
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  return isIP(host) !== 0 || host === 'localhost' || host === ''
}

/** A few at a time. */
async function inLanes<T>(all: readonly T[], act: (one: T) => Promise<void>): Promise<void> {
  const left = [...all]
  const work = async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await act(one)
  }
  await Promise.all(Array.from({ length: 8 }, work))
}

interface Run {
  readonly id: string
  readonly status: string
  readonly jobId: string
}

/** HTTP_CALL jobs of a user, through the API: refused, or failed without a connection. */
async function tryJobs(user: Caller, urls: readonly string[], unexpected: string[]): Promise<number> {
  const made = new Set<string>()
  await inLanes(urls, async (url) => {
    const body = { jobType: 'HTTP_CALL', params: { url }, delay: '1ms', retry: { maxRetries: 0 } }
    const answer = await user.call<{ id: string }>('POST', '/jobs', body)
    if (answer.status === 201) made.add(answer.body.id)
    else if (answer.status >= 500) unexpected.push(`POST /jobs for ${url}: ${answer.status}`)
  })
  const ended = await eventually(
    'all calls to end',
    async () => {
      const runs = (await readAll<Run>(user, '/executions?jobType=HTTP_CALL')).filter(({ jobId }) => made.has(jobId))
      const isOver = ({ status }: Run) => status === 'FAILED' || status === 'SUCCESS'
      return runs.length >= made.size && runs.every(isOver) ? runs : undefined
    },
    40_000,
  )
  for (const { id, status } of ended) if (status !== 'FAILED') unexpected.push(`the call ${id} is ${status}`)
  return urls.length
}

interface Sent {
  readonly id: string
  readonly attempts: number
  readonly lastStatus: number | null
}

/** Webhooks of a user, through the API: refused, or attempted without a connection. */
async function tryWebhooks(user: Caller, urls: readonly string[], unexpected: string[]): Promise<number> {
  const made: string[] = []
  await inLanes(urls, async (url) => {
    const target = { type: 'webhook', url }
    const answer = await user.call<{ id: string }>('POST', '/notifications', { name: 'x', on: ['failed'], target })
    if (answer.status === 201) made.push(answer.body.id)
    else if (answer.status >= 500) unexpected.push(`POST /notifications for ${url}: ${answer.status}`)
  })
  await Promise.all(made.map((id) => user.call('POST', `/notifications/${id}/test`)))
  await inLanes(made, async (id) => {
    const sent = await eventually('the first attempt', async () => {
      const { body } = await user.call<{ data: Sent[] }>('GET', `/notifications/${id}/deliveries`)
      const [first] = body.data
      return first && first.attempts > 0 ? first : undefined
    })
    if (sent.lastStatus !== null) unexpected.push(`a webhook was answered: ${JSON.stringify(sent)}`)
    await user.call('DELETE', `/notifications/${id}`)
  })
  return urls.length
}

/** Addresses that must not be called, in every spelling, behind names and behind redirects: nothing reaches loopback. */
export async function checkOutbound(world: World): Promise<Finding> {
  const unexpected: string[] = []
  const canary = await openServer('127.0.0.1')
  const canary6 = await openServer('::1').catch(() => null)
  const urls = [canary, canary6].flatMap((one) => (one ? hostileUrls(one.port) : []))
  // The addresses of IPv4 lead to one of both canaries only.
  const literal = urls.filter((url) => isLiteral(url) && (url.includes(`:${canary.port}`) || url.includes('[')))
  const tried = (await tryUrls(outboundModule, urls, unexpected)) + (await tryRebinding(outboundModule, unexpected))
  const redirected = await tryRedirects(outboundModule, canary, unexpected)
  // Users of their own: the jobs that fail send no messages, and the messages wait for no others.
  // What never ends is a finding beside the others.
  const orFinding = (error: unknown) => {
    unexpected.push(String(error))
    return 0
  }
  const [jobs, webhooks] = await Promise.all([
    tryJobs(await signUp(world.url), literal, unexpected).catch(orFinding),
    tryWebhooks(await signUp(world.url), literal, unexpected).catch(orFinding),
  ])
  const called = jobs + webhooks
  for (const one of [canary, canary6]) {
    if (one && one.connections() > 0) unexpected.push(`the canary has had ${one.connections()} connections`)
    one?.close()
  }
  const more = { urls: urls.length, throughTheApi: called }
  return { what: 'outbound addresses, names and redirects', checks: tried + redirected + called, unexpected, more }
}
