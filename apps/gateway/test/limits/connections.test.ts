import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { GatewayConfig } from '../../src/index.ts'
import { makeWorld } from '../world.ts'

async function open(config: Partial<GatewayConfig>, service?: RequestListener) {
  const world = await makeWorld({ config, ...(service && { services: { 'job-service': service } }) })
  const { hostname, port } = new URL(await world.gateway.start())
  const join = async (): Promise<Socket> => {
    const socket = connect(Number(port), hostname).setEncoding('utf8')
    socket.on('error', () => undefined)
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  const isServed = async (socket: Socket): Promise<boolean> => {
    const answered = new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true))
      socket.once('close', () => resolve(false))
    })
    if (socket.writable) socket.write('GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
    return answered
  }
  return { ...world, join, isServed }
}

describe('connections', () => {
  it.each([
    ['all', { gatewayConnections: 3 }],
    ['address', { gatewayConnectionsPerAddress: 3 }],
  ])('beyond the bound of %s are closed, and one that ends makes room', async (bound, config) => {
    const { join, isServed, app } = await open(config)
    const sockets = [await join(), await join(), await join()]
    for (const socket of sockets) expect(await isServed(socket)).toBe(true)
    expect(await isServed(await join())).toBe(false)
    const [first] = sockets as [Socket]
    first.destroy()
    await expect.poll(async () => isServed(await join())).toBe(true)
    const metrics = (await app.inject('/metrics')).body
    expect(metrics).toMatch(new RegExp(`belfry_connections_refused_total\\{[^}]*bound="${bound}"[^}]*\\} [1-9]`))
  })

  it('of one address are not bounded behind a reverse proxy', async () => {
    const { join, isServed } = await open({ gatewayConnectionsPerAddress: 1, gatewayTrustProxy: true })
    for (const socket of [await join(), await join()]) expect(await isServed(socket)).toBe(true)
  })
})

describe('requests of one connection', () => {
  it('that come without a wait are refused beyond the bound, and the connection is closed', async () => {
    const waiting: (() => void)[] = []
    const held: RequestListener = (_request, reply) => void waiting.push(() => reply.writeHead(200).end('{}'))
    const { join, token } = await open({ gatewayPipelinedRequests: 4 }, held)
    const socket = await join()
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    const closed = once(socket, 'close')
    socket.write(`GET /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`.repeat(10))
    await expect.poll(() => waiting.length).toBe(4)
    for (const answer of waiting) answer()
    await closed
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((found) => found[1])
    expect(statuses).toEqual(['200', '200', '200', '200', '429'])
    expect(waiting).toHaveLength(4)
  })

  it('earn no room by others that were refused before they counted', async () => {
    const waiting: (() => void)[] = []
    const held: RequestListener = (_request, reply) => void waiting.push(() => reply.writeHead(200).end('{}'))
    const { join, token } = await open({ gatewayPipelinedRequests: 4 }, held)
    const socket = await join()
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.write('GET /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-encoding: gzip\r\n\r\n'.repeat(6))
    await expect.poll(() => text.split('HTTP/1.1 415').length - 1).toBe(6)
    const closed = once(socket, 'close')
    socket.write(`GET /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`.repeat(10))
    await expect.poll(() => waiting.length).toBe(4)
    for (const answer of waiting) answer()
    await closed
    expect(waiting).toHaveLength(4)
  })

  it('are bounded too while their API keys are checked', async () => {
    const asked: (() => void)[] = []
    const services: Record<string, RequestListener> = {
      'auth-service': (_request, reply) =>
        void asked.push(() => reply.writeHead(200, { 'content-type': 'application/json' }).end('{"token":null}')),
    }
    const { gateway } = await makeWorld({ config: { gatewayPipelinedRequests: 4 }, services })
    const { hostname, port } = new URL(await gateway.start())
    const socket = connect(Number(port), hostname).setEncoding('utf8').resume()
    onTestFinished(() => void socket.destroy())
    const closed = once(socket, 'close')
    const requestOf = (digit: number) => {
      const key = `bfk_${String(digit).repeat(32)}_${String(digit).repeat(43)}`
      return `GET /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: ${key}\r\n\r\n`
    }
    socket.write(Array.from({ length: 10 }, (_, digit) => requestOf(digit)).join(''))
    await expect.poll(() => asked.length).toBe(4)
    for (const answer of asked) answer()
    await closed
    expect(asked).toHaveLength(4)
  })

  it('that come one after the other have no bound', async () => {
    const { join, isServed } = await open({ gatewayPipelinedRequests: 1 })
    const socket = await join()
    for (let count = 0; count < 5; count++) expect(await isServed(socket)).toBe(true)
  })
})

describe('a client that does not read', () => {
  it('is cut off once nothing has moved for a while', async () => {
    const large = Buffer.alloc(32 * 1024 * 1024)
    const service: RequestListener = (_request, reply) =>
      reply.writeHead(200, { 'content-length': large.length }).end(large)
    const { join, token, app } = await open({ gatewayIdleTimeoutMs: 300 }, service)
    const connections = () => new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count)))
    const socket = await join()
    // Its own end does not come to know of it, since it does not read.
    socket.pause()
    socket.write(`GET /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`)
    await expect.poll(connections).toBe(1)
    await expect.poll(connections, { timeout: 4_000 }).toBe(0)
  })
})
